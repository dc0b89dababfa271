"""Pinhole cameras on the unit sphere around the origin: right-handed world, y up."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .scenes import class_of
from .settings import ToySettings

RADIUS = 1.0
CAMERA_STREAM = 1


def sample_camera(seed: int, index: int, settings: ToySettings) -> NDArray[np.float32]:
    """Draw the camera of one image.

    Args:
        seed: Seed of the data set.
        index: Number of the image.
        settings: The distributions, perhaps other ones for the class of the image.

    Returns:
        Packed camera (8,): yaw, pitch, roll, fov, radius, look-at yaw, look-at pitch, look-at
        radius; the field of view in degrees, other angles in radians.
    """
    rng = np.random.default_rng([seed, index, CAMERA_STREAM])
    settings = settings.of(class_of(index))
    yaw, pitch, fov_deg = (d.sample(rng) for d in (settings.yaw, settings.pitch, settings.fov))
    look_at = (settings.look_at_yaw, settings.look_at_pitch, settings.look_at_radius)
    packed = [yaw, pitch, 0.0, fov_deg, RADIUS, *(d.sample(rng) for d in look_at)]
    return np.array(packed, dtype=np.float32)


def spherical_to_cartesian(yaw: float, pitch: float, radius: float) -> NDArray[np.float64]:
    """Return the world point (3,) with this yaw and pitch (radians) and radius."""
    sin_pitch = np.sin(pitch)
    return radius * np.array([-sin_pitch * np.sin(yaw), np.cos(pitch), sin_pitch * np.cos(yaw)])


def camera_to_world(camera: ArrayLike) -> NDArray[np.float64]:
    """Return the matrix (3, 4) with columns right, up, backward, position of a packed camera."""
    yaw, pitch, _, _, radius, *look_at = np.asarray(camera, dtype=np.float64)
    position = spherical_to_cartesian(yaw, pitch, radius)
    backward = position - spherical_to_cartesian(*look_at)
    backward /= np.linalg.norm(backward)
    right = np.cross([0.0, 1.0, 0.0], backward)
    right /= np.linalg.norm(right)
    return np.stack([right, np.cross(backward, right), backward, position], axis=1)


def camera_rays(
    camera: ArrayLike, resolution: int, shift: tuple[float, float] = (0.0, 0.0)
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return one ray per pixel, row by row from the top left.

    The outermost pixel centres lie on the image border.

    Args:
        camera: Packed camera (8,).
        resolution: Image side in pixels, at least 2.
        shift: Offset (right, up) of the image position in pixels, for supersampling.

    Returns:
        The camera centre (1, 3) and unit directions (resolution², 3), both in the world.
    """
    if resolution < 2:
        raise ValueError(f"resolution: got {resolution}, wanted at least 2")
    centres = np.linspace(-1.0, 1.0, resolution)
    pixel = 2.0 / (resolution - 1)
    y, x = np.meshgrid(centres[::-1] + shift[1] * pixel, centres + shift[0] * pixel, indexing="ij")
    focal = 1.0 / np.tan(np.deg2rad(np.asarray(camera, dtype=np.float64)[3]) / 2)
    inverse = 1.0 / np.sqrt(x**2 + y**2 + focal**2)
    local = np.stack([x * inverse, y * inverse, -focal * inverse], axis=-1).reshape(-1, 3)
    cam2world = camera_to_world(camera)
    return cam2world[None, :, 3], local @ cam2world[:, :3].T
