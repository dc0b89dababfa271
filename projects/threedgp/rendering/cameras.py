"""Pinhole cameras on a sphere, and the rays of their pixels (docs/method.md, section 2).

The world is right-handed with +y up. A point at yaw a, pitch b and radius r lies at
``(-r sin b sin a, r cos b, r sin b cos a)``: yaw 0 on the horizon (pitch pi/2) is +z. A camera looks
along -z of its own frame, +x is right and +y is up.
"""

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from .patches import Patch, patch_positions

CAMERA_FIELDS = (
    "yaw",
    "pitch",
    "roll",
    "fov_deg",
    "radius",
    "look_at_yaw",
    "look_at_pitch",
    "look_at_radius",
)
PITCH_MARGIN = 1e-5
"""How far cameras stay from the poles, where they have no "up"; radians."""


@runtime_checkable
class Viewpoint(Protocol):
    """Where objects are seen from: a ``Camera``, or anything else that casts rays."""

    @property
    def params(self) -> Float[Tensor, "n p"]:
        """The numbers that say where."""

    def rays(
        self, resolution: int, patch: Patch | None = None, pixels: str = "border"
    ) -> tuple[Float[Tensor, "n r 3"], Float[Tensor, "n r 3"]]:
        """Return ray origins and directions, row by row from the top left."""

    def __len__(self) -> int: ...


@dataclass(frozen=True)
class Camera:
    """A batch of cameras, each of 8 numbers, which have names and are stored side by side.

    Args:
        params: The numbers in the order of ``CAMERA_FIELDS``.
    """

    params: Float[Tensor, "n 8"]

    @classmethod
    def of(cls, **fields: Float[Tensor, " n"]) -> "Camera":
        """Make cameras of their numbers, each of ``CAMERA_FIELDS`` by its name.

        Raises:
            TypeError: If a field is missing or unknown.
        """
        if unfit := set(fields) ^ set(CAMERA_FIELDS):
            raise TypeError(f"camera fields: missing or unknown are {sorted(unfit)}, wanted {CAMERA_FIELDS}")
        return cls(torch.stack([fields[name] for name in CAMERA_FIELDS], dim=1))

    def replace(self, **fields: Float[Tensor, " n"]) -> "Camera":
        """Return the same cameras with other numbers in some fields."""
        return Camera.of(**{name: getattr(self, name) for name in CAMERA_FIELDS} | fields)

    @property
    def yaw(self) -> Float[Tensor, " n"]:
        """Yaw of the camera's place, radians."""
        return self.params[:, 0]

    @property
    def pitch(self) -> Float[Tensor, " n"]:
        """Pitch of the camera's place, radians from +y, in (0, pi)."""
        return self.params[:, 1]

    @property
    def roll(self) -> Float[Tensor, " n"]:
        """Roll, radians; always 0."""
        return self.params[:, 2]

    @property
    def fov_deg(self) -> Float[Tensor, " n"]:
        """Full field of view, degrees."""
        return self.params[:, 3]

    @property
    def radius(self) -> Float[Tensor, " n"]:
        """Distance of the camera from the world's origin."""
        return self.params[:, 4]

    @property
    def look_at_yaw(self) -> Float[Tensor, " n"]:
        """Yaw of the point looked at, radians."""
        return self.params[:, 5]

    @property
    def look_at_pitch(self) -> Float[Tensor, " n"]:
        """Pitch of the point looked at, radians from +y."""
        return self.params[:, 6]

    @property
    def look_at_radius(self) -> Float[Tensor, " n"]:
        """Distance of the point looked at from the world's origin."""
        return self.params[:, 7]

    @property
    def angles(self) -> Float[Tensor, "n 3"]:
        """Yaw, pitch, roll of the camera position, radians."""
        return self.params[:, :3]

    @property
    def look_at(self) -> Float[Tensor, "n 3"]:
        """Yaw, pitch (radians) and radius of the point looked at."""
        return self.params[:, 5:]

    def rays(
        self, resolution: int, patch: Patch | None = None, pixels: str = "border"
    ) -> tuple[Float[Tensor, "n r 3"], Float[Tensor, "n r 3"]]:
        """Return ``pixel_rays`` of these cameras."""
        return pixel_rays(self, resolution, patch, pixels)

    def __len__(self) -> int:
        return self.params.shape[0]

    def __getitem__(self, index: slice | Tensor) -> "Camera":
        return Camera(self.params[index])

    def to(self, device: torch.device | str) -> "Camera":
        """Return the same cameras on another device."""
        return Camera(self.params.to(device))


def spherical_to_cartesian(
    yaw: Float[Tensor, " n"], pitch: Float[Tensor, " n"], radius: Float[Tensor, " n"]
) -> Float[Tensor, "n 3"]:
    """Convert yaw and pitch (radians) and a radius to a world point."""
    return torch.stack(
        [
            -radius * pitch.sin() * yaw.sin(),
            radius * pitch.cos(),
            radius * pitch.sin() * yaw.cos(),
        ],
        dim=-1,
    )


def camera_origin(camera: Camera) -> Float[Tensor, "n 3"]:
    """Return the camera centres in the world."""
    return spherical_to_cartesian(camera.yaw, camera.pitch, camera.radius)


def look_at_point(camera: Camera) -> Float[Tensor, "n 3"]:
    """Return the points looked at in the world."""
    return spherical_to_cartesian(camera.look_at_yaw, camera.look_at_pitch, camera.look_at_radius)


def camera_to_world(camera: Camera) -> Float[Tensor, "n 4 4"]:
    """Return camera-to-world matrices: columns right, up, backward, position; world up is +y."""
    origin = camera_origin(camera)
    backward = F.normalize(origin - look_at_point(camera), dim=-1)
    world_up = torch.tensor([0.0, 1.0, 0.0], dtype=origin.dtype, device=origin.device)
    right = F.normalize(torch.cross(world_up.expand_as(backward), backward, dim=-1), dim=-1)
    up = torch.cross(backward, right, dim=-1)
    top = torch.stack([right, up, backward, origin], dim=-1)
    bottom = torch.tensor([0.0, 0.0, 0.0, 1.0], dtype=origin.dtype, device=origin.device)
    return torch.cat([top, bottom.expand(len(camera), 1, 4)], dim=1)


def pixel_rays(
    camera: Camera, resolution: int, patch: Patch | None = None, pixels: str = "border"
) -> tuple[Float[Tensor, "n r 3"], Float[Tensor, "n r 3"]]:
    """Cast one ray through each pixel centre, row by row from the top left.

    Args:
        camera: n cameras.
        resolution: Side of the (square) image or patch in pixels; r = resolution ** 2.
        patch: The part of the image plane that is seen; None for all of it.
        pixels: Where the outermost rays meet the image, see ``patch_positions``.

    Returns:
        Ray origins and unit directions in the world.
    """
    if patch is None:
        patch = Patch.full(len(camera), device=camera.params.device)
    xy = patch_positions(patch, resolution, pixels).to(camera.params.dtype).flatten(1, 2)
    focal = 1.0 / torch.tan(torch.deg2rad(camera.fov_deg) / 2)
    z = -focal[:, None, None].expand(-1, xy.shape[1], 1)
    in_camera = F.normalize(torch.cat([xy, z], dim=-1), dim=-1)
    cam2world = camera_to_world(camera)
    directions = in_camera @ cam2world[:, :3, :3].transpose(1, 2)
    origins = cam2world[:, None, :3, 3].expand_as(directions)
    return origins, directions
