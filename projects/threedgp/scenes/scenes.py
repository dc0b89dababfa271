"""A scene: one solid, or one stacked on another, on a ground plane under a sky."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .settings import ToySettings
from .solids import Box, Frustum, Solid, Sphere, Torus
from .textures import Texture, hsv, sample_ground_texture, sample_object_texture

Array = NDArray[np.float64]
SCENE_STREAM = 0
SKY, GROUND = -2, -1
CLASSES = (
    "sphere",
    "box",
    "cylinder",
    "cone",
    "torus",
    "sphere_on_box",
    "cone_on_cylinder",
    "box_on_cylinder",
)


@dataclass(frozen=True)
class Part:
    """A textured solid that stands at height ``base`` and is turned by ``yaw`` radians about y."""

    solid: Solid
    texture: Texture
    base: float
    yaw: float

    def to_local(self, vectors: Array, points: bool) -> Array:
        """Return world points or directions (n, 3) in the frame of the solid."""
        x, y, z = vectors.T
        cos, sin = np.cos(self.yaw), np.sin(self.yaw)
        return np.stack([cos * x - sin * z, y - self.base * points, sin * x + cos * z], axis=1)

    def to_world(self, directions: Array) -> Array:
        """Return directions (n, 3) of the solid's frame in the world."""
        x, y, z = directions.T
        cos, sin = np.cos(self.yaw), np.sin(self.yaw)
        return np.stack([cos * x + sin * z, y, cos * z - sin * x], axis=1)


@dataclass(frozen=True)
class Look:
    """Ground, sky and light.

    Args:
        ground: Texture of the ground.
        horizon: Linear colour (3,) of sky and haze at the horizon.
        zenith: Linear colour (3,) of the sky far above it.
        to_light: Unit vector (3,) towards the sun.
        sun: Linear colour (3,) of the direct light.
        gloss: Strength of the highlight in [0, 1].
    """

    ground: Texture
    horizon: Array
    zenith: Array
    to_light: Array
    sun: Array
    gloss: float


@dataclass(frozen=True)
class Scene:
    """Parts from the ground upwards, and the look of the rest; the middle is the origin."""

    class_name: str
    parts: tuple[Part, ...]
    look: Look

    @property
    def ground_height(self) -> float:
        """World y of the ground plane."""
        return self.parts[0].base

    @property
    def bounding_radius(self) -> float:
        """Radius of a ball around the origin that holds all parts."""
        ends = [(p.solid.reach, y) for p in self.parts for y in (p.base, p.base + p.solid.height)]
        return max(float(np.hypot(reach, y)) for reach, y in ends)


def class_of(index: int) -> str:
    """Return the class of an image: they take turns."""
    return CLASSES[index % len(CLASSES)]


def sample_scene(seed: int, index: int, settings: ToySettings) -> Scene:
    """Draw the scene of one image; its class is ``class_of(index)``.

    Args:
        seed: Seed of the data set.
        index: Number of the image.
        settings: Provides the distribution of the object's yaw.
    """
    rng = np.random.default_rng([seed, index, SCENE_STREAM])
    name = class_of(index)
    yaw = settings.of(name).object_yaw.sample(rng)
    solids = [_sample_solid(rng, kind, name) for kind in reversed(name.split("_on_"))]
    heights = [solid.height for solid in solids]
    hue, ground_hue = rng.random(), rng.random()
    hues = [hue, hue + rng.uniform(0.25, 0.75)]
    parts = []
    for level, solid in enumerate(solids):
        texture = sample_object_texture(rng, hues[level], max(solid.height, 2 * solid.reach))
        base = sum(heights[:level]) - sum(heights) / 2
        parts.append(Part(solid, texture, base, yaw + level * rng.uniform(-0.4, 0.4)))
    return Scene(name, tuple(parts), _sample_look(rng, ground_hue))


def _sample_solid(rng: np.random.Generator, kind: str, name: str) -> Solid:
    """Draw a solid; the parts of a stack are smaller so that the whole keeps its size."""
    size = rng.uniform(0.18, 0.25) if kind == name else rng.uniform(0.125, 0.15)
    top = name.startswith(f"{kind}_on_")
    if kind == "sphere":
        return Sphere(0.5 * size * (0.9 if top else 1.0))
    if kind == "box":
        return Box(*(size * rng.uniform(0.7, 0.95, 3) * (1.1 if top else 1.0)).tolist())
    if kind == "torus":
        tube = size * rng.uniform(0.1, 0.15)
        return Torus(size / 2 - tube, tube)
    height = size * rng.uniform(0.85, 1.1)
    if kind == "cone":
        return Frustum(size * rng.uniform(0.4, 0.5) * (1.15 if top else 1.0), 0.0, height)
    radius = size * rng.uniform(0.34, 0.44)
    return Frustum(radius, radius, height)


def _sample_look(rng: np.random.Generator, ground_hue: float) -> Look:
    """Draw ground, sky and light; the light comes from the left of a camera at yaw 0."""
    azimuth, elevation = rng.uniform(-1.1, -0.5), rng.uniform(0.7, 1.0)
    to_light = [np.sin(azimuth), np.tan(elevation), np.cos(azimuth)]
    sky_hue = 0.57 + rng.normal() * 0.04 if rng.random() < 0.7 else rng.uniform(0.75, 1.1)
    return Look(
        ground=sample_ground_texture(rng, ground_hue),
        horizon=hsv(sky_hue + rng.uniform(-0.05, 0.05), rng.uniform(0.05, 0.2), 0.98),
        zenith=hsv(sky_hue, rng.uniform(0.4, 0.65), rng.uniform(0.8, 0.95)),
        to_light=np.array(to_light) / np.linalg.norm(to_light),
        sun=np.array([1.0, 0.96, 0.88]) * rng.uniform(0.75, 0.9),
        gloss=rng.uniform(0.0, 0.35),
    )
