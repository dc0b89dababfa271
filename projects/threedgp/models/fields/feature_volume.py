"""Feature volumes: what 3-D convolutions make of a style code (VolumeGAN, Xu et al. 2022, section 3.1)."""

import math

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from ...layers import check_power_of_two
from ...rendering import sample_grid

_CONSTANT_SIDE = 4


class VolumeStage(nn.Module):
    """One resolution: (doubling,) convolution, normalisation of each feature, style, leaky ReLU.

    Args:
        in_channels: Channels of the input.
        out_channels: Channels of the output.
        up: Double the resolution first, by repetition.
    """

    def __init__(self, in_channels: int, out_channels: int, up: bool) -> None:
        super().__init__()
        self.conv = nn.Conv3d(in_channels, out_channels, 3, padding=1)
        self.up = up

    def convolve(self, x: Float[Tensor, "n i d h w"]) -> Float[Tensor, "n o d2 h2 w2"]:
        """Return the features before they are normalised."""
        return self.conv(F.interpolate(x, scale_factor=2, mode="nearest") if self.up else x)

    def forward(
        self, x: Float[Tensor, "n i d h w"], scale: Float[Tensor, "n o"], shift: Float[Tensor, "n o"]
    ) -> Float[Tensor, "n o d2 h2 w2"]:
        """Apply the stage."""
        x = F.instance_norm(self.convolve(x), eps=1e-8)
        return F.leaky_relu(x * scale[..., None, None, None] + shift[..., None, None, None], 0.2)


class FeatureVolume(nn.Module):
    """A style code to a feature volume; stages become narrower from a learned 4^3 constant on.

    Args:
        w_dim: Width of a style code.
        resolution: Side of the volume, a power of two.
        feature_dim: Features of a point.
        max_channels: Features of the first stage, halved at each but never under ``feature_dim``.
    """

    def __init__(self, w_dim: int, resolution: int, feature_dim: int, max_channels: int) -> None:
        super().__init__()
        check_power_of_two("volume resolution", resolution)
        count = int(math.log2(resolution // _CONSTANT_SIDE)) + 1
        self.widths = [max(max_channels // 2**i, feature_dim) for i in range(count - 1)] + [feature_dim]
        self.out_channels = feature_dim
        inputs = [max_channels, *self.widths[:-1]]
        self.const = nn.Parameter(torch.ones(max_channels, *[_CONSTANT_SIDE] * 3))
        self.stages = nn.ModuleList(VolumeStage(inputs[i], self.widths[i], up=i > 0) for i in range(count))
        self.affine = nn.Linear(w_dim, 2 * sum(self.widths))
        nn.init.kaiming_normal_(self.affine.weight, a=0.2, nonlinearity="leaky_relu")
        with torch.no_grad():
            self.affine.weight *= 0.25

    def forward(self, w: Float[Tensor, "n d"], noise_mode: str = "random") -> Float[Tensor, "n f p p p"]:
        """Decode style codes; there is no spatial noise, whatever the mode."""
        scales, shifts = (part.split(self.widths, dim=1) for part in self.affine(w).chunk(2, dim=1))
        x = self.const.expand(len(w), *self.const.shape)
        for stage, scale, shift in zip(self.stages, scales, shifts, strict=True):
            x = stage(x, scale, shift)
        return x

    def look_up(
        self, volume: Float[Tensor, "n f p p p"], points: Float[Tensor, "n m 3"]
    ) -> Float[Tensor, "n m f"]:
        """Return the features of points in [-1, 1]^3, x along the last axis."""
        return sample_grid(volume, points)
