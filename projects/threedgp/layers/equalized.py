"""Layers with equalised learning rate (Karras et al. 2018, section 4.1)."""

import math
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from .resampling import filter2d

LEAK = 0.2


def leaky_relu(x: Tensor) -> Tensor:
    """Leaky ReLU of slope 0.2 times sqrt(2), which keeps the second moment."""
    return F.leaky_relu(x, LEAK) * math.sqrt(2)


class _ClampedLeakyReLU(torch.autograd.Function):
    """Leaky ReLU, then a clamp, in place: the derivative of both, of any order, needs the result alone."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, leak: float, bound: float) -> Tensor:
        ctx.mark_dirty(x)
        F.leaky_relu_(x, leak).clamp_(-bound, bound)
        ctx.leak, ctx.bound = leak, bound
        ctx.save_for_backward(x)
        return x

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        # What changes with the result is constant but for jumps: no second derivative comes this way.
        out = ctx.saved_tensors[0].detach()
        grad = torch.ops.aten.hardtanh_backward(grad, out, -ctx.bound, ctx.bound)
        return torch.ops.aten.leaky_relu_backward(grad, out, ctx.leak, True), None, None


@dataclass(frozen=True)
class Activation:
    """What follows a linear map, whose result it overwrites.

    Args:
        gain: Factor on the result, which keeps the second moment. Where it is not 1, f(g x) = g f(x), so
            that layers multiply their weights with it, and not their results.
        leak: Slope of negative numbers; None for a softplus.
    """

    gain: float = 1.0
    leak: float | None = 1.0

    def __call__(self, x: Tensor, bound: float | None = None) -> Tensor:
        """Activate what was multiplied with the gain, in place, and clamp it to the bound."""
        if self.leak is None:
            return F.softplus(x)
        if bound is not None:
            return _ClampedLeakyReLU.apply(x, self.leak, bound)
        return x if self.leak == 1 else F.leaky_relu_(x, self.leak)


ACTIVATIONS = {
    "linear": Activation(),
    "leaky_relu": Activation(math.sqrt(2), LEAK),
    "softplus": Activation(leak=None),
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
        gain = self.activation.gain
        weight, bias = self.weight * (self.weight_gain * gain), self.bias * (self.bias_gain * gain)
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
        bound = None if self.clamp is None else self.clamp * gain
        gain = gain * self.activation.gain
        weight = (self.weight * (self.weight_gain * gain)).to(x.dtype)
        bias = None if self.bias is None else (self.bias * gain).to(x.dtype)
        k, stride, padding = weight.shape[-1], 1, weight.shape[-1] // 2
        if self.down:
            # A strided 1x1 convolution only reads every second pixel: filter those alone.
            stride, padding = (1 if k == 1 else 2), 0
            x = filter2d(x, padding=(k // 2 + 1, (k - 1) // 2 + 1), stride=2 // stride)
        x = F.conv2d(x, weight, bias, stride, padding)
        return self.activation(x, bound)
