"""Resampling with the [1, 3, 3, 1] filter (StyleGAN2, Karras et al. 2020, appendix B)."""

from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

_TAPS = (1.0, 3.0, 3.0, 1.0)


class _Filter(torch.autograd.Function):
    """Correlation of each channel with the filter, or its adjoint.

    Each is the other's derivative, of any order, and nothing is kept for it: the kernel is a constant.
    """

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, padding: int, stride: int, gain: float, adjoint_of: torch.Size | None
    ) -> Tensor:
        ctx.arguments = padding, stride, gain, x.shape if adjoint_of is None else None
        taps = torch.tensor(_TAPS, dtype=x.dtype, device=x.device) / sum(_TAPS)
        kernel = (gain * taps[:, None] * taps).expand(x.shape[1], 1, 4, 4)
        options: dict[str, Any] = dict(stride=stride, padding=padding, groups=x.shape[1])
        if adjoint_of is None:
            return F.conv2d(x, kernel, **options)
        smallest = stride * (x.shape[-1] - 1) + 4 - 2 * padding
        return F.conv_transpose2d(x, kernel, output_padding=adjoint_of[-1] - smallest, **options)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        return _Filter.apply(grad, *ctx.arguments), None, None, None, None


def filter2d(
    x: Float[Tensor, "n c h w"], padding: tuple[int, int], gain: float = 1.0, stride: int = 1
) -> Float[Tensor, "n c h2 w2"]:
    """Filter each channel with the outer product of [1, 3, 3, 1] / 8 with itself.

    Args:
        x: Square images.
        padding: Zeros before and after, the same in both directions.
        gain: Factor on the result.
        stride: Step of the output grid.
    """
    before, after = padding
    if before != after:
        x, before = F.pad(x, (before, after, before, after)), 0
    return _Filter.apply(x, before, stride, gain, None)


def resize(x: Float[Tensor, "n c h w"], side: int, antialias: bool = True) -> Float[Tensor, "n c s s"]:
    """Resize images bilinearly between pixel centres, with antialiasing where they become smaller."""
    if x.shape[-1] == side:
        return x
    return F.interpolate(x, (side, side), mode="bilinear", align_corners=False, antialias=antialias)


def upsample2d(x: Float[Tensor, "n c h w"]) -> Float[Tensor, "n c h2 w2"]:
    """Double the resolution: zero insertion, then the filter with gain 4."""
    doubled = torch.Size([*x.shape[:2], 2 * x.shape[2], 2 * x.shape[3]])
    return _Filter.apply(x, 1, 2, 4.0, doubled)
