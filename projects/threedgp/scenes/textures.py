"""Procedural solid textures: colour as a function of the position on an object."""

import colorsys
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
KINDS = ("checker", "stripes", "spots", "noise", "gradient")
TABLE_SIDE = 8
GAMMA = 2.2


@dataclass(frozen=True)
class Texture:
    """A blend of two colours.

    Args:
        kind: One of ``KINDS``.
        colours: The two colours (2, 3), linear light in [0, 1].
        direction: Unit vector (3,) across stripes and gradients.
        frequency: Cells per world unit.
        phase: Offset (3,) in cells.
        table: Random values (8, 8, 8) in [0, 1] at the lattice points of the noise.
    """

    kind: str
    colours: Array
    direction: Array
    frequency: float
    phase: Array
    table: Array

    def albedo(self, points: Array) -> Array:
        """Return linear colours (n, 3) at object points (n, 3)."""
        share = getattr(self, f"_{self.kind}")(points * self.frequency)
        return self.colours[0] + share[:, None] * (self.colours[1] - self.colours[0])

    def _checker(self, cells: Array) -> Array:
        x, y, z = np.floor(cells + self.phase).T
        return (x + y + z) % 2

    def _stripes(self, cells: Array) -> Array:
        return np.floor(cells @ self.direction + self.phase[0]) % 2

    def _spots(self, cells: Array) -> Array:
        x, y, z = ((cells + self.phase) % 1.0 - 0.5).T
        return (x**2 + y**2 + z**2 < 0.4**2).astype(np.float64)

    def _noise(self, cells: Array) -> Array:
        coarse, fine = self._lattice(cells + self.phase), self._lattice(2 * cells + self.phase)
        return smoothstep(0.3, 0.7, 0.65 * coarse + 0.35 * fine)

    def _gradient(self, cells: Array) -> Array:
        return smoothstep(-1.5, 1.5, cells @ self.direction)

    def _lattice(self, cells: Array) -> Array:
        """Return trilinear look-ups (n,) of the periodic table at points (n, 3)."""
        corner = np.floor(cells)
        fraction = cells - corner
        fraction = (fraction**2 * (3 - 2 * fraction)).T
        index = corner.astype(np.int64).T
        low, high = index % TABLE_SIDE, (index + 1) % TABLE_SIDE
        values = [
            _mix(self.table[i, j, low[2]], self.table[i, j, high[2]], fraction[2])
            for i in (low[0], high[0])
            for j in (low[1], high[1])
        ]
        near, far = _mix(values[0], values[1], fraction[1]), _mix(values[2], values[3], fraction[1])
        return _mix(near, far, fraction[0])


def smoothstep(low: float, high: float, values: Array) -> Array:
    """Return a smooth ramp from 0 at ``low`` to 1 at ``high``."""
    share = np.clip((values - low) / (high - low), 0, 1)
    return share**2 * (3 - 2 * share)


def hsv(hue: float, saturation: float, value: float) -> Array:
    """Return the linear colour (3,) of a hue (in turns), saturation and value."""
    return np.array(colorsys.hsv_to_rgb(hue % 1.0, saturation, value)) ** GAMMA


def sample_object_texture(rng: np.random.Generator, hue: float, size: float) -> Texture:
    """Draw a vivid texture.

    Args:
        rng: Source of all draws.
        hue: Hue of the main colour in turns.
        size: Extent of the object in world units; the cell size follows it.
    """
    main = hsv(hue, rng.uniform(0.65, 0.9), rng.uniform(0.85, 1.0))
    partners = [
        hsv(hue + rng.uniform(0.3, 0.7), rng.uniform(0.4, 0.8), rng.uniform(0.85, 1.0)),
        hsv(hue, rng.uniform(0.05, 0.2), 0.98),
        hsv(hue + rng.uniform(-0.1, 0.1), rng.uniform(0.7, 0.9), rng.uniform(0.3, 0.45)),
    ]
    kind = KINDS[rng.integers(len(KINDS))]
    cells = {"noise": rng.uniform(2.0, 3.5), "gradient": 2.5}.get(kind, rng.uniform(3.5, 6.0))
    return _assemble(rng, kind, [main, partners[rng.integers(3)]], cells / size)


def sample_ground_texture(rng: np.random.Generator, hue: float) -> Texture:
    """Draw a pale, low-contrast texture of the given hue (in turns) for the ground."""
    saturation, value = rng.uniform(0.1, 0.35), rng.uniform(0.72, 0.9)
    colours = [
        hsv(hue, saturation, value),
        hsv(hue + rng.uniform(-0.06, 0.06), saturation + 0.08, value - rng.uniform(0.07, 0.16)),
    ]
    kind = ("checker", "stripes", "noise")[rng.integers(3)]
    return _assemble(rng, kind, colours, rng.uniform(5.0, 10.0))


def _assemble(rng: np.random.Generator, kind: str, colours: list[Array], frequency: float) -> Texture:
    angle, rise = rng.uniform(-np.pi, np.pi), rng.uniform(-0.7, 0.7)
    direction = np.array([np.cos(angle), rise, np.sin(angle)])
    return Texture(
        kind=kind,
        colours=np.stack(colours),
        direction=direction / np.linalg.norm(direction),
        frequency=frequency,
        phase=rng.uniform(0, 1, 3),
        table=rng.random((TABLE_SIDE,) * 3),
    )


def _mix(first: Array, second: Array, share: Array) -> Array:
    return first + share * (second - first)
