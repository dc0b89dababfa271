"""Ray tracing of toy scenes: exact depth from pixel centres, shaded colour with 2x2 samples."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .cameras import camera_rays, sample_camera
from .scenes import CLASSES, GROUND, SKY, Scene, sample_scene
from .settings import ToySettings
from .solids import dot
from .textures import GAMMA

Array = NDArray[np.float64]
SHIFTS = ((-0.25, 0.25), (0.25, 0.25), (-0.25, -0.25), (0.25, -0.25))
SHADOW_OFFSET = 1e-4


@dataclass(frozen=True)
class Hits:
    """Where rays end.

    Args:
        t: Distance (n,) along the unit direction, infinity for the sky.
        part: What was hit (n,): ``SKY``, ``GROUND`` or the number of the part.
        normals: Unit world normals (n, 3), arbitrary for the sky.
    """

    t: Array
    part: NDArray[np.int64]
    normals: Array


@dataclass(frozen=True)
class RenderedScene:
    """One rendered image.

    Args:
        rgb: Colour (resolution, resolution, 3), 8-bit.
        depth: Distance along the unit rays (resolution, resolution), clipped to [near, far].
        part: What each pixel centre shows: -2 sky, -1 ground, otherwise the number of the part.
        camera: Packed camera (8,).
        class_index: Index into ``CLASSES``.
        class_name: Name of the class.
    """

    rgb: NDArray[np.uint8]
    depth: NDArray[np.float32]
    part: NDArray[np.int64]
    camera: NDArray[np.float32]
    class_index: int
    class_name: str


def render_scene(
    seed: int,
    index: int,
    resolution: int,
    camera: ArrayLike | None = None,
    settings: ToySettings | None = None,
) -> RenderedScene:
    """Render image ``index`` of the data set with this seed, from its own or any other camera.

    Args:
        seed: Seed of the data set.
        index: Number of the image; decides class, shape, look and, by default, the camera.
        resolution: Image side in pixels.
        camera: Packed camera (8,) outside of the solid; by default the one of the data set.
        settings: Distributions and depth range; the defaults if not given.
    """
    settings = settings or ToySettings()
    scene = sample_scene(seed, index, settings)
    if camera is None:
        camera = sample_camera(seed, index, settings)
    camera = np.asarray(camera, dtype=np.float32)
    centres = trace(scene, *camera_rays(camera, resolution))
    shape = (resolution, resolution)
    return RenderedScene(
        rgb=render_colour(scene, camera, resolution),
        depth=np.clip(centres.t, settings.near, settings.far).astype(np.float32).reshape(shape),
        part=centres.part.reshape(shape),
        camera=camera,
        class_index=CLASSES.index(scene.class_name),
        class_name=scene.class_name,
    )


def render_colour(scene: Scene, camera: ArrayLike, resolution: int) -> NDArray[np.uint8]:
    """Return the image (resolution, resolution, 3): the mean of 2x2 samples in linear light."""
    rays = [camera_rays(camera, resolution, shift) for shift in SHIFTS]
    origin, directions = rays[0][0], np.concatenate([ray[1] for ray in rays])
    colours = shade(scene, origin, directions, trace(scene, origin, directions))
    mean = np.clip(colours, 0, 1).reshape(len(SHIFTS), resolution, resolution, 3).mean(0)
    return np.round(255 * mean ** (1 / GAMMA)).astype(np.uint8)


def trace(scene: Scene, origins: Array, directions: Array) -> Hits:
    """Follows rays to the first surface.

    Args:
        scene: The scene.
        origins: Ray origins (1, 3) or (n, 3).
        directions: Unit directions (n, 3).
    """
    falling = np.where(directions[:, 1] == 0, np.inf, directions[:, 1])
    t = (scene.ground_height - origins[:, 1]) / falling
    t = np.where(t > 0, t, np.inf)
    part = np.where(np.isfinite(t), GROUND, SKY)
    normals = np.broadcast_to([0.0, 1.0, 0.0], directions.shape).copy()
    rays = _near_object(scene, origins, directions)
    origins = np.broadcast_to(origins, directions.shape)[rays]
    for number, solid_part in enumerate(scene.parts):
        local = solid_part.to_local(directions[rays], points=False)
        start = solid_part.to_local(origins, points=True)
        t_part, normals_part = solid_part.solid.intersect(start, local)
        closer = t_part < t[rays]
        target = rays[closer]
        t[target], part[target] = t_part[closer], number
        normals[target] = _unit(solid_part.to_world(normals_part[closer]))
    return Hits(t, part, normals)


def shade(scene: Scene, origin: Array, directions: Array, hits: Hits) -> Array:
    """Return linear colours (n, 3) of rays from one origin (1, 3) and what they hit."""
    look = scene.look
    rise = np.clip(directions[:, 1:2] / 0.25, 0, 1) ** 0.7
    colours = look.horizon + rise * (look.zenith - look.horizon)
    for number in range(GROUND, len(scene.parts)):
        rays = np.flatnonzero(hits.part == number)
        points = origin + hits.t[rays, None] * directions[rays]
        normals = hits.normals[rays]
        lit = _sunlight(scene, points, normals)
        light = _ambient(scene, normals) + lit[:, None] * look.sun
        if number == GROUND:
            light = light * _contact_shadow(scene, points)[:, None]
            ground = look.ground.albedo(points) * light
            haze = 1 - np.exp(-np.maximum(hits.t[rays, None] - 1.3, 0) / 2.5)
            colours[rays] = ground + haze * (look.horizon - ground)
            continue
        solid_part = scene.parts[number]
        texture_points = solid_part.to_local(points, points=True)
        texture_points[:, 1] -= solid_part.solid.height / 2
        shine = _highlight(scene, directions[rays], normals) * (lit > 0)
        colours[rays] = solid_part.texture.albedo(texture_points) * light + shine[:, None]
    return colours


def _near_object(scene: Scene, origins: Array, directions: Array) -> NDArray[np.int64]:
    """Return the numbers of the rays that meet the ball around the object."""
    along, square = dot(origins, directions), dot(origins, origins)
    limit = scene.bounding_radius**2
    return np.flatnonzero((square - along**2 < limit) & ((along < 0) | (square < limit)))


def _sunlight(scene: Scene, points: Array, normals: Array) -> Array:
    """Return the cosine (n,) between normal and sun, 0 where the sun is hidden."""
    lit = np.maximum(normals @ scene.look.to_light, 0)
    origins = points + SHADOW_OFFSET * normals
    to_light = np.broadcast_to(scene.look.to_light, points.shape)
    rays = _near_object(scene, origins, to_light)
    rays = rays[lit[rays] > 0]
    for part in scene.parts:
        local = part.to_local(to_light[rays], points=False)
        t, _ = part.solid.intersect(part.to_local(origins[rays], points=True), local)
        lit[rays[np.isfinite(t)]] = 0
    return lit


def _ambient(scene: Scene, normals: Array) -> Array:
    """Return the light (n, 3) from sky above and ground below."""
    up = 0.5 + 0.5 * normals[:, 1:2]
    sky = 0.5 * scene.look.horizon + 0.1 * scene.look.zenith
    bounce = 0.45 * scene.look.ground.colours.mean(0)
    return up * sky + (1 - up) * bounce


def _contact_shadow(scene: Scene, points: Array) -> Array:
    """Return the share (n,) of light that the object leaves on the ground next to it."""
    first = scene.parts[0]
    x, _, z = first.to_local(points, points=True).T
    distance = first.solid.ground_distance(x, z)
    return 1 - 0.55 * np.exp(-distance / (0.12 * first.solid.height))


def _highlight(scene: Scene, directions: Array, normals: Array) -> Array:
    """Return the strength (n,) of a Blinn-Phong highlight."""
    half = _unit(scene.look.to_light - directions)
    return scene.look.gloss * np.maximum(dot(half, normals), 0) ** 40


def _unit(vectors: Array) -> Array:
    return vectors / np.sqrt(np.maximum(dot(vectors, vectors), 1e-24))[:, None]
