"""Resampling with the [1, 3, 3, 1] filter (StyleGAN2, Karras et al. 2020, appendix B)."""

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

_TAPS = (1.0, 3.0, 3.0, 1.0)


def filter2d(
    x: Float[Tensor, "n c h w"], padding: tuple[int, int], gain: float = 1.0, stride: int = 1
) -> Float[Tensor, "n c h2 w2"]:
    """Filter each channel with the outer product of [1, 3, 3, 1] / 8 with itself.

    Args:
        x: Images.
        padding: Zeros before and after, the same in both directions.
        gain: Factor on the result.
        stride: Step of the output grid.
    """
    channels = x.shape[1]
    taps = torch.tensor(_TAPS, dtype=x.dtype, device=x.device) / sum(_TAPS)
    kernel = (gain * taps[:, None] * taps).expand(channels, 1, 4, 4)
    before, after = padding
    x = F.pad(x, (before, after, before, after))
    return F.conv2d(x, kernel, stride=stride, groups=channels)


def resize(x: Float[Tensor, "n c h w"], side: int, antialias: bool = True) -> Float[Tensor, "n c s s"]:
    """Resize images bilinearly between pixel centres, with antialiasing where they become smaller."""
    if x.shape[-1] == side:
        return x
    return F.interpolate(x, (side, side), mode="bilinear", align_corners=False, antialias=antialias)


def upsample2d(x: Float[Tensor, "n c h w"]) -> Float[Tensor, "n c h2 w2"]:
    """Double the resolution: zero insertion, then the filter with gain 4."""
    n, c, h, w = x.shape
    spread = x.new_zeros(n, c, h, 2, w, 2)
    spread[:, :, :, 0, :, 0] = x
    return filter2d(spread.reshape(n, c, 2 * h, 2 * w), padding=(2, 1), gain=4.0)
