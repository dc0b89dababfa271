"""Cameras as EG3D writes them: 16 numbers camera-to-world and 9 intrinsics, which also serve as labels.

A camera's axes are those of OpenCV: x right, y down, z forward. The world is that of ``cameras``: +y is up.
"""

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from .cameras import PITCH_MARGIN, Camera, Viewpoint, camera_to_world
from .patches import Patch, patch_positions

POSE_DIM = 25
_FLIPPED = (1.0, -1.0, -1.0, 1.0)
"""From a camera whose y is up and that looks along -z to one of OpenCV, column by column."""


@dataclass(frozen=True)
class PoseLabel:
    """A batch of cameras of 25 numbers.

    Args:
        params: Camera-to-world matrix (4 x 4, row-major), then intrinsics (3 x 3), normalised by the size of
            the image.
    """

    params: Float[Tensor, "n 25"]

    @classmethod
    def of(cls, camera: Viewpoint) -> "PoseLabel":
        """Return the same cameras as 25 numbers.

        Raises:
            TypeError: If these are neither a ``Camera`` nor a ``PoseLabel``.
        """
        if isinstance(camera, PoseLabel):
            return camera
        if not isinstance(camera, Camera):
            raise TypeError(f"camera: got {type(camera).__name__}, wanted a Camera or a PoseLabel")
        flipped = torch.tensor(_FLIPPED, dtype=camera.params.dtype, device=camera.params.device)
        focal = 0.5 / torch.tan(torch.deg2rad(camera.fov_deg) / 2)
        return cls.made(camera_to_world(camera) * flipped, pinhole(focal))

    @classmethod
    def made(cls, cam2world: Float[Tensor, "n 4 4"], intrinsics: Float[Tensor, "n 3 3"]) -> "PoseLabel":
        """Make cameras of their matrices."""
        return cls(torch.cat([cam2world.flatten(1), intrinsics.flatten(1)], dim=1))

    @property
    def cam2world(self) -> Float[Tensor, "n 4 4"]:
        """Camera-to-world matrices: columns right, down, forward, position."""
        return self.params[:, :16].unflatten(1, (4, 4))

    @property
    def intrinsics(self) -> Float[Tensor, "n 3 3"]:
        """Focal lengths, skew and principal point, in units of the image's sides."""
        return self.params[:, 16:].unflatten(1, (3, 3))

    def rays(
        self, resolution: int, patch: Patch | None = None, pixels: str = "center"
    ) -> tuple[Float[Tensor, "n r 3"], Float[Tensor, "n r 3"]]:
        """Cast one ray through each pixel, row by row from the top left.

        Args:
            resolution: Side of the image or patch in pixels.
            patch: The part of the image plane that is seen; None for all of it.
            pixels: Where the outermost rays meet the image, see ``patch_positions``.

        Returns:
            Ray origins and unit directions in the world.
        """
        patch = Patch.full(len(self), device=self.params.device) if patch is None else patch
        x, y = patch_positions(patch, resolution, pixels).to(self.params).flatten(1, 2).unbind(dim=-1)
        u, v = (1 + x) / 2, (1 - y) / 2
        fx, fy, skew, cx, cy = (
            self.intrinsics[:, row, column, None] for row, column in ((0, 0), (1, 1), (0, 1), (0, 2), (1, 2))
        )
        in_camera = torch.stack(
            [(u - cx + cy * skew / fy - skew * v / fy) / fx, (v - cy) / fy, torch.ones_like(u)], dim=-1
        )
        directions = F.normalize(in_camera @ self.cam2world[:, :3, :3].mT, dim=-1)
        return self.cam2world[:, None, :3, 3].expand_as(directions), directions

    def __len__(self) -> int:
        return self.params.shape[0]

    def __getitem__(self, index: slice | Tensor) -> "PoseLabel":
        return PoseLabel(self.params[index])


def pinhole(focal: Float[Tensor, " n"]) -> Float[Tensor, "n 3 3"]:
    """Return intrinsics of this focal length, in units of the image's side, around the image's centre."""
    zero, half, one = torch.zeros_like(focal), torch.full_like(focal, 0.5), torch.ones_like(focal)
    rows = [[focal, zero, half], [zero, focal, half], [zero, zero, one]]
    return torch.stack([torch.stack(row, dim=-1) for row in rows], dim=-2)


def release_focal(fov_deg: Float[Tensor, " n"]) -> Float[Tensor, " n"]:
    """Return the focal length that EG3D's release makes of a field of view: with 1.414 in place of 2."""
    return 1 / (1.414 * torch.tan(fov_deg * 3.14159 / 360))


def sphere_pose(
    yaw: Float[Tensor, " n"],
    pitch: Float[Tensor, " n"],
    radius: float,
    target: Float[Tensor, " 3"] | None = None,
) -> Float[Tensor, "n 4 4"]:
    """Return the cameras of EG3D's pose helpers, on a sphere and looking at a point.

    Args:
        yaw: Radians; pi / 2 is the front, +z.
        pitch: A number in [0, pi] that says how far up, of which arccos(1 - 2 pitch / pi) is the angle from
            +y: the same at 0, pi / 2 and pi only.
        radius: Of the sphere around the origin, world units.
        target: The point looked at; None for the origin.

    Returns:
        Camera-to-world matrices with the axes of OpenCV.
    """
    phi = torch.arccos(1 - 2 * pitch.clamp(PITCH_MARGIN, math.pi - PITCH_MARGIN) / math.pi)
    place = [phi.sin() * (math.pi - yaw).cos(), phi.cos(), phi.sin() * (math.pi - yaw).sin()]
    origin = radius * torch.stack(place, dim=-1)
    forward = F.normalize((0 if target is None else target) - origin, dim=-1)
    up = torch.tensor([0.0, 1.0, 0.0]).to(origin).expand_as(forward)
    right = -F.normalize(torch.cross(up, forward, dim=-1), dim=-1)
    down = F.normalize(torch.cross(forward, right, dim=-1), dim=-1)
    bottom = torch.tensor([0.0, 0.0, 0.0, 1.0]).to(origin).expand(len(origin), 1, 4)
    return torch.cat([torch.stack([right, down, forward, origin], dim=-1), bottom], dim=1)
