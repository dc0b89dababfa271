"""Feature look-up in three axis-aligned planes (docs/method.md, section 4)."""

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor
from torch.autograd.function import once_differentiable

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


class _Bags(torch.autograd.Function):
    """Weighted sums of rows of a table: ``F.embedding_bag``, whose own backward pass would sort all rows."""

    @staticmethod
    def forward(ctx: Any, table: Tensor, rows: Tensor, weights: Tensor) -> Tensor:
        ctx.save_for_backward(table, rows, weights)
        return F.embedding_bag(rows, table, mode="sum", per_sample_weights=weights)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        table, rows, weights = ctx.saved_tensors
        of_table = of_weights = None
        if ctx.needs_input_grad[0]:
            of_table, part = torch.zeros_like(table), torch.empty_like(grad)
            for row, weight in zip(rows.unbind(dim=1), weights.unbind(dim=1), strict=True):
                of_table.index_add_(0, row, torch.mul(grad, weight[:, None], out=part))
        if ctx.needs_input_grad[2]:
            bags = torch.arange(len(rows), dtype=rows.dtype, device=rows.device)
            offsets, bag = bags * rows.shape[1], bags.repeat_interleave(rows.shape[1])
            of_weights = torch.ops.aten._embedding_bag_per_sample_weights_backward(
                grad, table, rows.flatten(), offsets, bag, 0
            ).reshape(weights.shape)
        return of_table, None, of_weights


def _corners(
    points: Float[Tensor, "n m 3"],
    resolution: int,
    cube_scale: float,
    axes: Sequence[str],
    align_corners: bool,
) -> tuple[Int[Tensor, "3 4 nm"], Float[Tensor, "3 4 nm"]]:
    """Return the four pixels around each point in each plane, as rows of all pixels, and their weights.

    All is computed with the points last, as operations along short axes are slow.
    """
    span = resolution - 1 if align_corners else resolution
    place = (points.flatten(0, 1).T.contiguous() / cube_scale * span + (resolution - 1)) / 2
    low = place.detach().floor()
    upper = place - low
    line = torch.stack([low, low + 1], dim=1)
    inside = (line >= 0) & (line < resolution)
    weights = torch.stack([1 - upper, upper], dim=1) * inside
    cells = line.int().clamp(0, resolution - 1)
    width, height = (list(pair) for pair in zip(*axis_numbers(axes), strict=True))
    sample = torch.arange(len(points), dtype=cells.dtype, device=cells.device)
    first = (sample * resolution**2).repeat_interleave(points.shape[1])
    plane = torch.arange(3, dtype=cells.dtype, device=cells.device)[:, None, None, None]
    rows = 3 * (resolution * cells[height][:, :, None] + cells[width][:, None] + first) + plane
    return rows.flatten(1, 2), (weights[height][:, :, None] * weights[width][:, None]).flatten(1, 2)


def sample_planes(
    planes: Float[Tensor, "n planes_x_f p p"],
    points: Float[Tensor, "n m 3"],
    cube_scale: float = 0.5,
    axes: Sequence[str] = AXES,
    align_corners: bool = True,
) -> Float[Tensor, "n 3 m f"]:
    """Look points up in three planes.

    Args:
        planes: Plane-major features: the f channels of the first plane, then of the second and third. A
            point's features lie side by side in channels-last planes; others are copied to be so.
        points: World points.
        cube_scale: Half the side of the cube that the planes cover; features are 0 outside.
        axes: Axes of each plane: that along its width, then that along its height.
        align_corners: The faces of the cube are the centres of the border pixels (3DGP), or else their outer
            edges (EG3D).

    Returns:
        Bilinear features, one set for each plane.
    """
    corners = _corners(points, planes.shape[-1], cube_scale, axes, align_corners)
    shape = 3, 4, *points.shape[:2]
    rows, weights = (each.reshape(shape).permute(2, 0, 3, 1).reshape(-1, 4) for each in corners)
    features = _Bags.apply(_table(planes), rows, weights)
    return features.unflatten(0, (len(points), 3, -1))


def mean_of_planes(
    planes: Float[Tensor, "n planes_x_f p p"],
    points: Float[Tensor, "n m 3"],
    cube_scale: float = 0.5,
    axes: Sequence[str] = AXES,
    align_corners: bool = True,
) -> Float[Tensor, "n m f"]:
    """Return the mean over the planes of what ``sample_planes`` returns."""
    corners = _corners(points, planes.shape[-1], cube_scale, axes, align_corners)
    rows, weights = (each.flatten(0, 1).T.contiguous() for each in corners)
    return _Bags.apply(_table(planes), rows, weights / 3).unflatten(0, points.shape[:2])


def _table(planes: Float[Tensor, "n planes_x_f p p"]) -> Float[Tensor, "rows f"]:
    """Return the features of all pixels of all planes, of which channels-last planes consist."""
    return planes.permute(0, 2, 3, 1).reshape(-1, planes.shape[1] // 3)
