"""Closed-form intersection of rays with simple solids that stand on y = 0.

A solid takes ray origins (n, 3) or (1, 3) outside of it and directions (n, 3) of any length, and
returns the parameter t (n,) of the first hit (infinity for a miss) and outward normals (n, 3), of
any length and arbitrary where the ray misses.
"""

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
TINY = 1e-12


@runtime_checkable
class Solid(Protocol):
    """What the renderer asks of a solid."""

    @property
    def height(self) -> float:
        """Extent along y."""
        ...

    @property
    def reach(self) -> float:
        """Largest distance from the vertical axis."""
        ...

    def intersect(self, origins: Array, directions: Array) -> tuple[Array, Array]:
        """Return the first hit t (n,) and the normals (n, 3)."""
        ...

    def ground_distance(self, x: Array, z: Array) -> Array:
        """Return the distance (n,) of ground points from where the solid touches the ground."""
        ...


@dataclass(frozen=True)
class Sphere:
    """A ball of the given radius."""

    radius: float

    @property
    def height(self) -> float:
        return 2 * self.radius

    @property
    def reach(self) -> float:
        return self.radius

    def intersect(self, origins: Array, directions: Array) -> tuple[Array, Array]:
        offset = origins - np.array([0.0, self.radius, 0.0])
        a, b = dot(directions, directions), dot(offset, directions)
        discriminant = b**2 - a * (dot(offset, offset) - self.radius**2)
        t = (-b - np.sqrt(np.maximum(discriminant, 0))) / a
        t = np.where((discriminant > 0) & (t > 0), t, np.inf)
        return t, offset + np.where(np.isfinite(t), t, 0)[:, None] * directions

    def ground_distance(self, x: Array, z: Array) -> Array:
        return np.maximum(np.hypot(x, z) - 0.4 * self.radius, 0)


@dataclass(frozen=True)
class Box:
    """A box with sides ``width`` (x), ``height`` (y) and ``length`` (z)."""

    width: float
    height: float
    length: float

    @property
    def reach(self) -> float:
        return float(np.hypot(self.width, self.length)) / 2

    def intersect(self, origins: Array, directions: Array) -> tuple[Array, Array]:
        lower = np.array([-self.width / 2, 0.0, -self.length / 2])
        entry, leave = slab_entries(origins, directions, lower, -lower + [0, self.height, 0])
        t = _largest(entry)
        t = np.where((t < -_largest(-leave)) & (t > 0), t, np.inf)
        return t, -np.sign(directions) * (entry == t[:, None])

    def ground_distance(self, x: Array, z: Array) -> Array:
        beyond_x = np.maximum(np.abs(x) - self.width / 2, 0)
        return np.hypot(beyond_x, np.maximum(np.abs(z) - self.length / 2, 0))


@dataclass(frozen=True)
class Frustum:
    """A cylinder (equal radii), cone (``top_radius`` 0) or anything between."""

    radius: float
    top_radius: float
    height: float

    @property
    def reach(self) -> float:
        return max(self.radius, self.top_radius)

    def intersect(self, origins: Array, directions: Array) -> tuple[Array, Array]:
        slope = (self.top_radius - self.radius) / self.height
        best = np.full(len(directions), np.inf)
        for t in self._side_candidates(origins, directions, slope):
            y = origins[:, 1] + t * directions[:, 1]
            best = np.where((t > 0) & (y >= 0) & (y <= self.height) & (t < best), t, best)
        points = origins + np.where(np.isfinite(best), best, 0)[:, None] * directions
        ring = self.radius + slope * points[:, 1]
        normals = np.stack([points[:, 0], -slope * ring, points[:, 2]], axis=1)
        for y_cap, radius, sign in ((0.0, self.radius, -1.0), (self.height, self.top_radius, 1.0)):
            t = (y_cap - origins[:, 1]) / _away_from_zero(directions[:, 1])
            x, z = (origins[:, axis] + t * directions[:, axis] for axis in (0, 2))
            closer = (t > 0) & (x**2 + z**2 <= radius**2) & (t < best)
            best = np.where(closer, t, best)
            normals[closer] = [0.0, sign, 0.0]
        return best, normals

    def _side_candidates(self, origins: Array, directions: Array, slope: float) -> list[Array]:
        """Return both roots of x² + z² = (radius + slope y)² along the rays, NaN for none."""
        x, y, z = origins.T
        dx, dy, dz = directions.T
        ring = self.radius + slope * y
        a = _away_from_zero(dx**2 + dz**2 - (slope * dy) ** 2)
        b = x * dx + z * dz - slope * dy * ring
        discriminant = b**2 - a * (x**2 + z**2 - ring**2)
        root = np.sqrt(np.where(discriminant > 0, discriminant, np.nan))
        return [(-b - root) / a, (-b + root) / a]

    def ground_distance(self, x: Array, z: Array) -> Array:
        return np.maximum(np.hypot(x, z) - self.radius, 0)


@dataclass(frozen=True)
class Torus:
    """A ring that stands upright: its hole looks along z."""

    ring_radius: float
    tube_radius: float

    @property
    def height(self) -> float:
        return 2 * self.reach

    @property
    def reach(self) -> float:
        return self.ring_radius + self.tube_radius

    def intersect(self, origins: Array, directions: Array) -> tuple[Array, Array]:
        length = np.sqrt(dot(directions, directions))
        unit = directions / length[:, None]
        offset = np.broadcast_to(origins - np.array([0.0, self.reach, 0.0]), unit.shape)
        corner = np.array([self.reach, self.reach, self.tube_radius])
        entry, leave = slab_entries(offset, unit, -corner, corner)
        start, end = np.maximum(_largest(entry), 0), -_largest(-leave)
        t = self._march(offset, unit, np.where(start < end, start, np.inf), end)
        points = offset + np.where(np.isfinite(t), t, 0)[:, None] * unit
        return t / length, self._distance(points)[1]

    def _march(self, origins: Array, unit: Array, start: Array, end: Array) -> Array:
        """Sphere tracing that turns into Newton's method close to the surface."""
        t = np.full(len(unit), np.inf)
        live = np.flatnonzero(np.isfinite(start))
        now, origins, unit, end = start[live], origins[live], unit[live], end[live]
        for _ in range(64):
            distance, gradient = self._distance(origins + now[:, None] * unit)
            hit = np.abs(distance) < 1e-9
            t[live[hit]] = now[hit]
            slope = -dot(gradient, unit)
            newton = (distance < 0.05 * self.tube_radius) & (slope > 0)
            now = now + np.where(newton, distance / np.clip(slope, 0.1, 1.0), distance)
            keep = ~hit & (now < end)
            live, now, end = live[keep], now[keep], end[keep]
            origins, unit = origins[keep], unit[keep]
            if not live.size:
                break
        return t

    def _distance(self, points: Array) -> tuple[Array, Array]:
        """Return the signed distance (n,) to the surface and its gradient (n, 3)."""
        x, y, z = points.T
        across = np.maximum(np.hypot(x, y), TINY)
        outward = across - self.ring_radius
        to_core = np.maximum(np.hypot(outward, z), TINY)
        radial = outward / (across * to_core)
        return to_core - self.tube_radius, np.stack([x * radial, y * radial, z / to_core], axis=1)

    def ground_distance(self, x: Array, z: Array) -> Array:
        beyond = np.maximum(np.abs(x) - 0.3 * self.ring_radius, 0)
        return np.maximum(np.hypot(beyond, z) - 0.4 * self.tube_radius, 0)


def dot(first: Array, second: Array) -> Array:
    """Return the inner products (n,) of the rows of (n, 3) or (1, 3) with those of (n, 3)."""
    return np.einsum("ij,ij->i", *np.broadcast_arrays(first, second))


def slab_entries(origins: Array, directions: Array, lower: Array, upper: Array) -> tuple[Array, Array]:
    """Return where rays enter and leave the slabs of a box.

    Args:
        origins: Ray origins (n, 3) or (1, 3).
        directions: Ray directions (n, 3).
        lower: Lower corner (3,) of the box.
        upper: Upper corner (3,) of the box.

    Returns:
        Ray parameters (n, 3) of entry and of exit, one column per axis.
    """
    inverse = 1.0 / _away_from_zero(directions)
    first, second = (lower - origins) * inverse, (upper - origins) * inverse
    return np.minimum(first, second), np.maximum(first, second)


def _away_from_zero(values: Array) -> Array:
    return np.where(np.abs(values) < TINY, TINY, values)


def _largest(columns: Array) -> Array:
    return np.maximum(np.maximum(columns[:, 0], columns[:, 1]), columns[:, 2])
