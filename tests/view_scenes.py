"""Textured surfaces in closed form: functions from cameras and a resolution to RGB in [0, 1] and depth."""

from collections.abc import Callable

import torch
from torch import Tensor

from projects.threedgp.rendering import Camera, pixel_rays

FAR, RADIUS = 1.25, 0.2

Scene = Callable[[Camera, int], tuple[Tensor, Tensor]]


def _texture(points: Tensor) -> Tensor:
    """Three smooth colours; what is behind the far plane is black."""
    waves = torch.stack([points[..., 0] * 20, points[..., 1] * 25, points.sum(dim=-1) * 15], dim=-1)
    return 0.5 + 0.5 * waves.sin()


def _scene(distance: Callable[[Tensor, Tensor], Tensor]) -> Scene:
    def render(camera: Camera, resolution: int) -> tuple[Tensor, Tensor]:
        origins, directions = pixel_rays(camera, resolution)
        depth = distance(origins, directions).nan_to_num(FAR).clamp(max=FAR)[..., None]
        rgb = torch.where(depth < FAR, _texture(origins + depth * directions), 0.0)
        shape = (len(camera), -1, resolution, resolution)
        return rgb.mT.reshape(shape), depth.mT.reshape(shape)

    return render


def _to_plane(origins: Tensor, directions: Tensor) -> Tensor:
    return -origins[..., 2] / directions[..., 2]


def _to_sphere(origins: Tensor, directions: Tensor) -> Tensor:
    towards = -(origins * directions).sum(dim=-1)
    # nan where the ray misses.
    return towards - (RADIUS**2 - origins.square().sum(dim=-1) + towards**2).sqrt()


PLANE = _scene(_to_plane)
"""z = 0."""
SPHERE = _scene(_to_sphere)
"""Around the origin."""
