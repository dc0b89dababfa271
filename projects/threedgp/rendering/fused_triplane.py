"""Look-up in three planes and the MLP behind it in one Triton kernel, and one for all of its gradients.

What a point needs, 12 corners of 32 features and some thousand multiplications, stays in registers: only its
coordinates are read and its few outputs written, where separate operations write and read some hundred
numbers a sample. The gradient recomputes the features instead of keeping them. Marching stays in
``volume_rendering``: it sees four numbers a sample, and all its options hold.
"""

from typing import Any, NamedTuple, no_type_check

import torch
import triton
import triton.language as tl
from jaxtyping import Float
from torch import Tensor
from torch.autograd.function import once_differentiable

BLOCK, WARPS = 64, 8
"""Points of a program, and its warps: compiled for sm_90, the gradient spills 544 bytes, the values none."""
SMALLEST = 16
"""Side of the smallest matrices that a GPU multiplies."""
PRECISION = "tf32x3"
"""Products of float32 as three of tensor cores each, of nearly the same precision."""
ACTIVATIONS = ("leaky_relu", "softplus")


class MLPWeights(NamedTuple):
    """Weights as they multiply, all gains included."""

    hidden: Float[Tensor, "h f"]
    hidden_bias: Float[Tensor, " h"]
    out: Float[Tensor, "o h"]
    out_bias: Float[Tensor, " o"]


def fused_field(
    planes: Float[Tensor, "n planes_x_f p p"],
    coordinates: Float[Tensor, "n 3 m 2"],
    weights: MLPWeights,
    activation: str = "leaky_relu",
    align_corners: bool = True,
) -> Float[Tensor, "n m o"]:
    """Look points up in three planes, and give the mean of what is found to an MLP.

    Args:
        planes: Plane-major features; fastest where the features of a place lie beside each other.
        coordinates: Of ``plane_coordinates``; features are 0 outside of [-1, 1].
        weights: Of the MLP.
        activation: Of its hidden layer, ``leaky_relu`` (slope 0.2, gain sqrt 2) or ``softplus``.
        align_corners: As of ``sample_planes``.

    Returns:
        Outputs of the MLP, float32; differentiable once, by all tensors.

    Raises:
        ValueError: If there is no such activation.
    """
    if activation not in ACTIVATIONS:
        raise ValueError(f"activation: got {activation!r}, wanted one of {ACTIVATIONS}")
    return _FusedField.apply(planes, coordinates, *weights, activation == "softplus", align_corners)


class _FusedField(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, planes: Tensor, coordinates: Tensor, *rest: Any) -> Tensor:
        softplus, align_corners = rest[4:]
        weights = tuple(weight.contiguous() for weight in rest[:4])
        coordinates = coordinates.contiguous()
        ctx.save_for_backward(planes, coordinates, *weights)
        ctx.softplus, ctx.align_corners = softplus, align_corners
        n, m, width = len(planes), coordinates.shape[2], len(weights[-1])
        results = torch.empty(n, m, width, device=planes.device, dtype=torch.float32)
        shapes = _shapes(planes, weights, softplus, align_corners)
        _forward[(triton.cdiv(m, BLOCK), n)](planes, coordinates, weights, results, m, **shapes)
        return results

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        planes, coordinates, *weights = ctx.saved_tensors
        by_planes = torch.zeros_like(planes, dtype=torch.float32)
        by_coordinates = torch.empty_like(coordinates)
        by_weights = tuple(torch.zeros_like(weight) for weight in weights)
        m, gradient = coordinates.shape[2], gradients[0].contiguous()
        shapes = _shapes(planes, tuple(weights), ctx.softplus, ctx.align_corners)
        found = (by_planes, by_coordinates, by_weights)
        _backward[(triton.cdiv(m, BLOCK), len(planes))](
            planes, coordinates, tuple(weights), gradient, *found, m, **shapes
        )
        return by_planes.to(planes.dtype), by_coordinates, *by_weights, None, None


def _shapes(
    planes: Tensor, weights: tuple[Tensor, ...], softplus: bool, align_corners: bool
) -> dict[str, Any]:
    """What both kernels are compiled for.

    ``SIZES`` are features, hidden units and outputs, ``PADDED`` the same as powers of two.
    """
    sizes = (planes.shape[1] // 3, len(weights[0]), len(weights[2]))
    return dict(
        strides=planes.stride(),
        SIDE=planes.shape[-1],
        SOFTPLUS=softplus,
        ALIGN_CORNERS=align_corners,
        SIZES=sizes,
        PADDED=tuple(max(SMALLEST, triton.next_power_of_2(size)) for size in sizes),
        BLOCK=BLOCK,
        PRECISION=PRECISION,
        num_warps=WARPS,
    )


@no_type_check
@triton.jit
def _places(coordinates, here, inside, SIDE: tl.constexpr, ALIGN_CORNERS: tl.constexpr):
    """Pixels along the width and the height."""
    x = tl.load(coordinates + 2 * here, mask=inside, other=-4.0)
    y = tl.load(coordinates + 2 * here + 1, mask=inside, other=-4.0)
    if ALIGN_CORNERS:
        return (x + 1) * (0.5 * (SIDE - 1)), (y + 1) * (0.5 * (SIDE - 1))
    else:
        return (x + 1) * (0.5 * SIDE) - 0.5, (y + 1) * (0.5 * SIDE) - 0.5


@no_type_check
@triton.jit
def _corner(column, row, strides, SIDE: tl.constexpr):
    """Where a corner lies in a plane, and whether it does."""
    exists = (column >= 0) & (column < SIDE) & (row >= 0) & (row < SIDE)
    place = tl.where(exists, row.to(tl.int64) * strides[2] + column.to(tl.int64) * strides[3], 0)
    return place, exists


@no_type_check
@triton.jit
def _activate(raw, SOFTPLUS: tl.constexpr):
    if SOFTPLUS:
        return tl.maximum(raw, 0.0) + tl.log(1 + tl.exp(-tl.abs(raw)))
    else:
        return tl.where(raw > 0, raw, 0.2 * raw) * 1.4142135623730951


@no_type_check
@triton.jit
def _slope(raw, SOFTPLUS: tl.constexpr):
    if SOFTPLUS:
        return 1 / (1 + tl.exp(-raw))
    else:
        return tl.where(raw > 0, 1.0, 0.2) * 1.4142135623730951


@no_type_check
@triton.jit
def _look_up(
    planes,
    coordinates,
    m,
    points,
    inside,
    strides,
    SIDE: tl.constexpr,
    ALIGN_CORNERS: tl.constexpr,
    FEATURES: tl.constexpr,
    PADDED: tl.constexpr,
    BLOCK: tl.constexpr,
):
    """Mean of the features of the three planes."""
    channels = tl.arange(0, PADDED)
    known = (channels < FEATURES)[None, :]
    features = tl.zeros((BLOCK, PADDED), tl.float32)
    for plane in tl.static_range(3):
        x, y = _places(coordinates, plane * m + points, inside, SIDE, ALIGN_CORNERS)
        left, top = tl.floor(x), tl.floor(y)
        own = planes + (plane * FEATURES + channels)[None, :] * strides[1]
        for right in tl.static_range(2):
            for below in tl.static_range(2):
                column, row = (left + right).to(tl.int32), (top + below).to(tl.int32)
                place, exists = _corner(column, row, strides, SIDE)
                weight = (1 - tl.abs(x - column)) * (1 - tl.abs(y - row))
                found = tl.load(own + place[:, None], mask=exists[:, None] & known, other=0.0)
                features += weight[:, None] * found.to(tl.float32)
    return features / 3


@no_type_check
@triton.jit
def _scatter(
    planes,
    by_planes,
    coordinates,
    by_coordinates,
    by_features,
    plane,
    m,
    points,
    inside,
    strides,
    SIDE: tl.constexpr,
    ALIGN_CORNERS: tl.constexpr,
    FEATURES: tl.constexpr,
    PADDED: tl.constexpr,
    BLOCK: tl.constexpr,
):
    """Give the gradient of features to the corners of one plane and to the coordinates."""
    channels = tl.arange(0, PADDED)
    here = plane * m + points
    x, y = _places(coordinates, here, inside, SIDE, ALIGN_CORNERS)
    left, top = tl.floor(x), tl.floor(y)
    by_x, by_y = tl.zeros((BLOCK,), tl.float32), tl.zeros((BLOCK,), tl.float32)
    own = (plane * FEATURES + channels)[None, :] * strides[1]
    for right in tl.static_range(2):
        for below in tl.static_range(2):
            column, row = (left + right).to(tl.int32), (top + below).to(tl.int32)
            place, exists = _corner(column, row, strides, SIDE)
            along, across = 1 - tl.abs(x - column), 1 - tl.abs(y - row)
            there, seen = own + place[:, None], exists[:, None] & (channels < FEATURES)[None, :]
            found = tl.load(planes + there, mask=seen, other=0.0).to(tl.float32)
            share = (along * across)[:, None] * by_features
            tl.atomic_add(by_planes + there, share, mask=seen & inside[:, None])
            match = tl.sum(found * by_features, axis=1)
            by_x += (2 * right - 1) * across * match
            by_y += (2 * below - 1) * along * match
    scale = 0.5 * (SIDE - 1) if ALIGN_CORNERS else 0.5 * SIDE
    tl.store(by_coordinates + 2 * here, by_x * scale, mask=inside)
    tl.store(by_coordinates + 2 * here + 1, by_y * scale, mask=inside)


@no_type_check
@triton.jit
def _matrix(weights, ROWS: tl.constexpr, COLUMNS: tl.constexpr, R: tl.constexpr, C: tl.constexpr):
    """A matrix of ROWS x COLUMNS with zeros around it."""
    rows, columns = tl.arange(0, R)[:, None], tl.arange(0, C)[None, :]
    return tl.load(weights + rows * COLUMNS + columns, mask=(rows < ROWS) & (columns < COLUMNS), other=0.0)


@no_type_check
@triton.jit
def _vector(weights, SIZE: tl.constexpr, PADDED: tl.constexpr):
    entries = tl.arange(0, PADDED)
    return tl.load(weights + entries, mask=entries < SIZE, other=0.0)


@no_type_check
@triton.jit
def _add_matrix(weights, values, ROWS: tl.constexpr, COLUMNS: tl.constexpr, R: tl.constexpr, C: tl.constexpr):
    rows, columns = tl.arange(0, R)[:, None], tl.arange(0, C)[None, :]
    tl.atomic_add(weights + rows * COLUMNS + columns, values, mask=(rows < ROWS) & (columns < COLUMNS))


@no_type_check
@triton.jit
def _add_vector(weights, values, SIZE: tl.constexpr, PADDED: tl.constexpr):
    entries = tl.arange(0, PADDED)
    tl.atomic_add(weights + entries, values, mask=entries < SIZE)


@no_type_check
@triton.jit
def _hidden_layer(
    planes,
    coordinates,
    weights,
    m,
    points,
    inside,
    strides,
    SIDE: tl.constexpr,
    ALIGN_CORNERS: tl.constexpr,
    SIZES: tl.constexpr,
    PADDED: tl.constexpr,
    BLOCK: tl.constexpr,
    PRECISION: tl.constexpr,
):
    """Features of points, the hidden layer's weights, and what these make of them before the activation."""
    features = _look_up(
        planes, coordinates, m, points, inside, strides, SIDE, ALIGN_CORNERS, SIZES[0], PADDED[0], BLOCK
    )
    hidden = _matrix(weights[0], SIZES[1], SIZES[0], PADDED[1], PADDED[0])
    raw = tl.dot(features, tl.trans(hidden), input_precision=PRECISION)
    raw += _vector(weights[1], SIZES[1], PADDED[1])[None, :]
    return features, hidden, raw


@no_type_check
@triton.jit
def _forward(
    planes,
    coordinates,
    weights,
    results,
    m,
    strides,
    SIDE: tl.constexpr,
    SOFTPLUS: tl.constexpr,
    ALIGN_CORNERS: tl.constexpr,
    SIZES: tl.constexpr,
    PADDED: tl.constexpr,
    BLOCK: tl.constexpr,
    PRECISION: tl.constexpr,
):
    which = tl.program_id(1).to(tl.int64)
    points = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    inside = points < m
    planes += which * strides[0]
    coordinates += which * 6 * m
    _, _, raw = _hidden_layer(
        planes, coordinates, weights, m, points, inside, strides, SIDE, ALIGN_CORNERS, SIZES, PADDED, BLOCK,
        PRECISION,
    )  # fmt: skip
    out = _matrix(weights[2], SIZES[2], SIZES[1], PADDED[2], PADDED[1])
    values = tl.dot(_activate(raw, SOFTPLUS), tl.trans(out), input_precision=PRECISION)
    values += _vector(weights[3], SIZES[2], PADDED[2])[None, :]
    entries = tl.arange(0, PADDED[2])[None, :]
    rows = (which * m + points)[:, None]
    tl.store(results + rows * SIZES[2] + entries, values, mask=inside[:, None] & (entries < SIZES[2]))


@no_type_check
@triton.jit
def _backward(
    planes,
    coordinates,
    weights,
    gradients,
    by_planes,
    by_coordinates,
    by_weights,
    m,
    strides,
    SIDE: tl.constexpr,
    SOFTPLUS: tl.constexpr,
    ALIGN_CORNERS: tl.constexpr,
    SIZES: tl.constexpr,
    PADDED: tl.constexpr,
    BLOCK: tl.constexpr,
    PRECISION: tl.constexpr,
):
    which = tl.program_id(1).to(tl.int64)
    points = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    inside = points < m
    planes, by_planes = planes + which * strides[0], by_planes + which * strides[0]
    coordinates, by_coordinates = coordinates + which * 6 * m, by_coordinates + which * 6 * m
    features, hidden, raw = _hidden_layer(
        planes, coordinates, weights, m, points, inside, strides, SIDE, ALIGN_CORNERS, SIZES, PADDED, BLOCK,
        PRECISION,
    )  # fmt: skip
    entries = tl.arange(0, PADDED[2])
    rows = gradients + (which * m + points)[:, None] * SIZES[2]
    gradient = tl.load(
        rows + entries[None, :], mask=inside[:, None] & (entries < SIZES[2])[None, :], other=0.0
    )
    out = _matrix(weights[2], SIZES[2], SIZES[1], PADDED[2], PADDED[1])
    by_raw = tl.dot(gradient, out, input_precision=PRECISION) * _slope(raw, SOFTPLUS)
    by_hidden = tl.dot(tl.trans(by_raw), features, input_precision=PRECISION)
    by_out = tl.dot(tl.trans(gradient), _activate(raw, SOFTPLUS), input_precision=PRECISION)
    _add_matrix(by_weights[0], by_hidden, SIZES[1], SIZES[0], PADDED[1], PADDED[0])
    _add_vector(by_weights[1], tl.sum(by_raw, axis=0), SIZES[1], PADDED[1])
    _add_matrix(by_weights[2], by_out, SIZES[2], SIZES[1], PADDED[2], PADDED[1])
    _add_vector(by_weights[3], tl.sum(gradient, axis=0), SIZES[2], PADDED[2])
    by_features = tl.dot(by_raw, hidden, input_precision=PRECISION) / 3
    # Not unrolled, or the loads of all planes wait in registers.
    for plane in tl.range(3, num_stages=1):
        _scatter(
            planes, by_planes, coordinates, by_coordinates, by_features, plane, m, points, inside, strides,
            SIDE, ALIGN_CORNERS, SIZES[0], PADDED[0], BLOCK,
        )  # fmt: skip
