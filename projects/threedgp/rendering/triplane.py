"""Feature look-up in three axis-aligned planes (docs/method.md, section 4)."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

AXES = ("xy", "xz", "yz")
"""3DGP's planes. EG3D's release has ``xy``, ``xz``, ``zx`` and never looks at (y, z); meant was ``zy``."""


def axis_numbers(axes: Sequence[str]) -> list[list[int]]:
    """Return the axes of three planes as numbers.

    Raises:
        ValueError: If there are not three, or one is not named by two of x, y, z.
    """
    if len(axes) != 3 or any(len(plane) != 2 or len(set(plane) & set("xyz")) != 2 for plane in axes):
        raise ValueError(f"axes: got {tuple(axes)}, wanted three pairs of x, y, z such as {AXES}")
    return [["xyz".index(axis) for axis in plane] for plane in axes]


def plane_coordinates(
    points: Float[Tensor, "n m 3"], cube_scale: float, axes: Sequence[str] = AXES
) -> Float[Tensor, "n 3 m 2"]:
    """Project world points to each plane: places along its width and its height, in [-1, 1] in the cube."""
    unit = points / cube_scale
    return torch.stack([unit[..., pair] for pair in axis_numbers(axes)], dim=1)


def sample_planes(
    planes: Float[Tensor, "n planes_x_f p p"],
    points: Float[Tensor, "n m 3"],
    cube_scale: float = 0.5,
    axes: Sequence[str] = AXES,
    align_corners: bool = True,
) -> Float[Tensor, "n 3 m f"]:
    """Look points up in three planes.

    Args:
        planes: Plane-major features: the f channels of the first plane, then of the second and third.
        points: World points.
        cube_scale: Half the side of the cube that the planes cover; features are 0 outside.
        axes: Axes of each plane: that along its width, then that along its height.
        align_corners: The faces of the cube are the centres of the border pixels (3DGP), or else their outer
            edges (EG3D).

    Returns:
        Bilinear features, one set for each plane.
    """
    n, channels, resolution = planes.shape[0], planes.shape[1], planes.shape[-1]
    features = channels // 3
    sampled = F.grid_sample(
        planes.reshape(n * 3, features, resolution, resolution),
        plane_coordinates(points, cube_scale, axes).reshape(n * 3, 1, -1, 2),
        mode="bilinear",
        padding_mode="zeros",
        align_corners=align_corners,
    )
    return sampled.reshape(n, 3, features, -1).transpose(2, 3)
