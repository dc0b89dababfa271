"""Layers with equalised learning rate (Karras et al. 2018, section 4.1)."""

import math
from collections.abc import Callable

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from .resampling import filter2d


def leaky_relu(x: Tensor) -> Tensor:
    """Leaky ReLU of slope 0.2 times sqrt(2), which keeps the second moment."""
    return F.leaky_relu(x, 0.2) * math.sqrt(2)


def linear(x: Tensor) -> Tensor:
    """No activation."""
    return x


ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "linear": linear,
    "leaky_relu": leaky_relu,
    "softplus": F.softplus,
}


def normalize_second_moment(x: Float[Tensor, "n d"]) -> Float[Tensor, "n d"]:
    """Divide each row by the root of its mean square."""
    return x * (x.square().mean(dim=1, keepdim=True) + 1e-8).rsqrt()


class EqualizedLinear(nn.Module):
    """Fully connected layer: y = act(x (m W / sqrt(in))^T + m b), W stored at scale 1 / m.

    Args:
        in_features: Width of the input.
        out_features: Width of the output.
        activation: Key of ``ACTIVATIONS``.
        lr_multiplier: m, the factor on the learning rate.
        bias_init: Initial bias.
    """

    def __init__(
        self,
        in_features: int,
        out_features: int,
        activation: str = "linear",
        lr_multiplier: float = 1.0,
        bias_init: float = 0.0,
    ) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(out_features, in_features) / lr_multiplier)
        self.bias = nn.Parameter(torch.full((out_features,), float(bias_init)))
        self.activation = ACTIVATIONS[activation]
        self.weight_gain = lr_multiplier / math.sqrt(in_features)
        self.bias_gain = lr_multiplier

    @property
    def scaled(self) -> tuple[Float[Tensor, "o i"], Float[Tensor, " o"]]:
        """Weight and bias with their gains."""
        return self.weight * self.weight_gain, self.bias * self.bias_gain

    def forward(self, x: Float[Tensor, "*n i"]) -> Float[Tensor, "*n o"]:
        """Apply the layer to the last dimension."""
        weight, bias = self.weight * self.weight_gain, self.bias * self.bias_gain
        return self.activation(F.linear(x, weight.to(x.dtype), bias.to(x.dtype)))


class EqualizedConv2d(nn.Module):
    """Convolution with weight / sqrt(in k^2) and zero padding k // 2, optionally halving the size.

    Args:
        in_channels: Channels of the input.
        out_channels: Channels of the output.
        kernel_size: k, odd.
        activation: Key of ``ACTIVATIONS``.
        bias: Whether there is a bias.
        down: Filter and halve the resolution.
        clamp: Bound on the absolute value of the output, before ``gain``.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int,
        activation: str = "linear",
        bias: bool = True,
        down: bool = False,
        clamp: float | None = None,
    ) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(out_channels, in_channels, kernel_size, kernel_size))
        self.bias = nn.Parameter(torch.zeros(out_channels)) if bias else None
        self.activation = ACTIVATIONS[activation]
        self.weight_gain = 1 / math.sqrt(in_channels * kernel_size**2)
        self.down = down
        self.clamp = clamp

    def forward(self, x: Float[Tensor, "n i h w"], gain: float = 1.0) -> Float[Tensor, "n o h2 w2"]:
        """Convolve; the result (and the clamp) is multiplied by ``gain``."""
        weight = (self.weight * self.weight_gain).to(x.dtype)
        k = weight.shape[-1]
        if self.down:
            before, after = k // 2 + 1, (k - 1) // 2 + 1
            # A strided 1x1 convolution only reads every second pixel: filter those alone.
            stride = 2 if k == 1 else 1
            x = filter2d(x, padding=(before, after), stride=stride)
            x = F.conv2d(x, weight, stride=2 // stride)
        else:
            x = F.conv2d(x, weight, padding=k // 2)
        if self.bias is not None:
            x = x + self.bias.to(x.dtype)[:, None, None]
        x = self.activation(x) * gain
        return x if self.clamp is None else x.clamp(-self.clamp * gain, self.clamp * gain)
