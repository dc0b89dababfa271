"""From one camera's picture to another's: points of a depth map, their projections, and look-ups there.

Depth is the distance along the unit rays of ``pixel_rays``; image positions are those of ``patch_positions``,
(x, y) with x to the right and y up. Its ``pixels`` say whether the outermost pixel centres lie on the border
of [-1, 1].
"""

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor

from .cameras import Camera, camera_to_world, pixel_rays

_IN_FRONT = 1e-6


def unproject(
    depth: Float[Tensor, "n 1 h h"], camera: Camera, pixels: str = "border"
) -> Float[Tensor, "n r 3"]:
    """Return the world points that the pixels of a depth map see, row by row from the top left.

    Args:
        depth: Distance along the rays, world units; of a square image with r pixels.
        camera: n cameras.
        pixels: Where the outermost rays meet the image, see ``patch_positions``.
    """
    origins, directions = pixel_rays(camera, depth.shape[-1], pixels=pixels)
    return origins + depth.flatten(1)[..., None] * directions


def project(
    points: Float[Tensor, "n r 3"], camera: Camera
) -> tuple[Float[Tensor, "n r 2"], Float[Tensor, "n r"]]:
    """Project world points into the images of cameras.

    Args:
        points: World points.
        camera: n cameras.

    Returns:
        Image positions (x right, y up; the image spans [-1, 1]), and the distance in front of the camera
        along its axis, not positive behind it, where the position means nothing.
    """
    cam2world = camera_to_world(camera)
    in_camera = (points - cam2world[:, None, :3, 3]) @ cam2world[:, :3, :3]
    ahead = -in_camera[..., 2]
    focal = 1.0 / torch.tan(torch.deg2rad(camera.fov_deg) / 2)
    return focal[:, None, None] * in_camera[..., :2] / ahead.clamp(min=_IN_FRONT)[..., None], ahead


def look_up(
    images: Float[Tensor, "n c h w"], positions: Float[Tensor, "n r 2"], pixels: str = "border"
) -> Float[Tensor, "n c r"]:
    """Read images at positions, bilinearly; outside, the border's nearest value.

    Args:
        images: n images.
        positions: Image positions (x right, y up; the image spans [-1, 1]).
        pixels: Where the outermost pixel centres are, see ``patch_positions``.
    """
    rows_down = positions[:, None] * torch.tensor([1.0, -1.0], device=positions.device)
    found = F.grid_sample(
        images,
        rows_down.to(images),
        mode="bilinear",
        padding_mode="border",
        align_corners=pixels == "border",
    )
    return found[:, :, 0]


def warp(
    images: Float[Tensor, "n c h h"],
    depth: Float[Tensor, "n 1 h h"],
    camera: Camera,
    target_depth: Float[Tensor, "n 1 k k"],
    target_camera: Camera,
    depth_tolerance: float,
    pixels: str = "border",
) -> tuple[Float[Tensor, "n c k k"], Bool[Tensor, "n 1 k k"]]:
    """Show pictures as other cameras would see them, given the depth there (backward warp).

    Args:
        images: Pictures to take the colours from.
        depth: Depth of these pictures, world units.
        camera: Cameras of these pictures.
        target_depth: Depth that the other cameras see.
        target_camera: The other cameras.
        depth_tolerance: How far a point's distance from the camera may be from ``depth`` there, world units.
        pixels: Where the outermost rays meet the images, see ``patch_positions``.

    Returns:
        Warped pictures, and where they are valid: the point lies in the picture, in front of its camera, and
        nothing hides it there.
    """
    points = unproject(target_depth, target_camera, pixels)
    positions, ahead = project(points, camera)
    origins = camera_to_world(camera)[:, None, :3, 3]
    seen = look_up(depth, positions, pixels)[:, 0]
    hidden = ((points - origins).norm(dim=-1) - seen).abs() > depth_tolerance
    # A pixel of the border itself may come out just beyond it.
    inside = (positions.abs() <= 1 + 1e-5).all(dim=-1)
    visible = inside & (ahead > _IN_FRONT) & ~hidden
    side = target_depth.shape[-1]
    return look_up(images, positions, pixels).unflatten(-1, (side, side)), visible.reshape(-1, 1, side, side)
