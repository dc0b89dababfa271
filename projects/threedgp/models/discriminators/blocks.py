"""Pieces of StyleGAN2's discriminators: block, minibatch deviation, epilogue (docs/method.md, section 8)."""

import math

import torch
from jaxtyping import Float
from torch import Tensor, nn

from ...layers import CodeMapping, EqualizedConv2d, EqualizedLinear


class DiscriminatorBlock(nn.Module):
    """Residual block; a code may scale the input channels of its second convolution.

    Args:
        in_channels: Channels of the input.
        out_channels: Channels of the output.
        code_dim: Width of the modulating code; 0 for none.
        down: Halve the resolution.
        clamp: Bound on activations.
    """

    def __init__(
        self, in_channels: int, out_channels: int, code_dim: int, down: bool, clamp: float | None
    ) -> None:
        super().__init__()
        self.conv0 = EqualizedConv2d(in_channels, in_channels, 3, "leaky_relu", clamp=clamp)
        self.conv1 = EqualizedConv2d(in_channels, out_channels, 3, "leaky_relu", down=down, clamp=clamp)
        self.skip = EqualizedConv2d(in_channels, out_channels, 1, bias=False, down=down)
        self.affine = EqualizedLinear(code_dim, in_channels) if code_dim else None

    def forward(self, x: Float[Tensor, "n i h w"], code: Float[Tensor, "n d"] | None) -> Tensor:
        """Return features of the same or half the resolution."""
        skip = self.skip(x, gain=math.sqrt(0.5))
        x = self.conv0(x)
        if self.affine is not None:
            scale = 1 + torch.tanh(self.affine(code))
            x = x * scale.to(x.dtype)[:, :, None, None]
        return self.conv1(x, gain=math.sqrt(0.5)) + skip


def minibatch_std(x: Float[Tensor, "n c h w"], group_size: int) -> Float[Tensor, "n 1 h w"]:
    """Mean over channels and pixels of the standard deviation within groups of samples.

    Groups are strided: samples i, i + n / g, i + 2 n / g, ... form one. A batch smaller than a group is
    one group.

    Raises:
        ValueError: If the batch does not divide into groups.
    """
    n = x.shape[0]
    g = min(group_size, n)
    if n % g:
        raise ValueError(f"batch size: got {n}, wanted a multiple of the minibatch-std group of {g}")
    grouped = x.reshape(g, n // g, *x.shape[1:])
    std = (grouped.var(dim=0, unbiased=False) + 1e-8).sqrt()
    value = std.mean(dim=(1, 2, 3)).repeat(g)
    return value[:, None, None, None].expand(-1, 1, *x.shape[2:])


class Epilogue(nn.Module):
    """Last block: minibatch standard deviation, convolution, and the two heads.

    Args:
        channels: Channels of the 4x4 feature map.
        condition_dim: Width of label and patch embedding; 0 for an unconditional logit.
        feature_dim: Width of the predicted features; None for no second head.
        mbstd_group_size: Samples of a minibatch-std group.
        clamp: Bound on activations.
        mapping_layers: Layers of the mapping of the condition.
        mapping_lr_multiplier: Factor on their learning rate.
        code_dim: Width of the condition's code; None for ``channels``.
        mapping_dim: Width between the layers of the mapping; None for ``code_dim``.
    """

    def __init__(
        self,
        channels: int,
        condition_dim: int,
        feature_dim: int | None,
        mbstd_group_size: int,
        clamp: float | None,
        mapping_layers: int = 2,
        mapping_lr_multiplier: float = 0.01,
        code_dim: int | None = None,
        mapping_dim: int | None = None,
    ) -> None:
        super().__init__()
        self.mbstd_group_size, self.feature_dim = mbstd_group_size, feature_dim
        self.conv = EqualizedConv2d(channels + 1, channels, 3, "leaky_relu", clamp=clamp)
        self.fc = EqualizedLinear(channels * 16, channels, "leaky_relu")
        code_dim = code_dim or channels
        self.out = EqualizedLinear(channels, code_dim if condition_dim else 1)
        self.condition_mapping = None
        if condition_dim:
            self.condition_mapping = CodeMapping(
                condition_dim, code_dim, mapping_layers, mapping_lr_multiplier, mapping_dim
            )
        self.feature_head = None
        if feature_dim:
            self.feature_head = nn.Sequential(
                EqualizedLinear(channels * 16, channels, "leaky_relu"),
                EqualizedLinear(channels, feature_dim),
            )

    def forward(
        self, x: Float[Tensor, "n c 4 4"], condition: Float[Tensor, "n d"]
    ) -> tuple[Float[Tensor, " n"], Float[Tensor, "n f"] | None]:
        """Return logits (projections on the condition's code) and predicted features."""
        x = torch.cat([x, minibatch_std(x, self.mbstd_group_size)], dim=1)
        x = self.conv(x).flatten(1)
        out = self.out(self.fc(x))
        if self.condition_mapping is not None:
            code = self.condition_mapping(condition)
            out = (out * code).sum(dim=1, keepdim=True) / math.sqrt(code.shape[1])
        features = None if self.feature_head is None else self.feature_head(x)
        return out[:, 0], features
