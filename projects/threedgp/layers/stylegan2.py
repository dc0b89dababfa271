"""StyleGAN2 synthesis layers (Karras et al. 2020), with skip connections between resolutions."""

import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from .equalized import ACTIVATIONS, EqualizedLinear
from .resampling import filter2d, upsample2d

NOISE_MODES = ("random", "const", "none")


def channels_at(resolution: int, cbase: int, cmax: int) -> int:
    """Channels of a StyleGAN2 block: min(cbase / resolution, cmax)."""
    return min(cbase // resolution, cmax)


def check_power_of_two(name: str, value: int, minimum: int = 4) -> None:
    """Raise a ValueError that names the field unless ``value`` is a power of two >= ``minimum``."""
    if value < minimum or value & (value - 1):
        raise ValueError(f"{name}: got {value}, wanted a power of two of at least {minimum}")


def _convolve(x: Tensor, weight: Tensor, up: bool, bias: Tensor | None) -> Tensor:
    if not up:
        return F.conv2d(x, weight, bias, padding=weight.shape[-1] // 2)
    if weight.shape[-1] == 1:
        x = upsample2d(F.conv2d(x, weight))
    else:
        x = filter2d(F.conv_transpose2d(x, weight.transpose(0, 1), stride=2), padding=(1, 1), gain=4.0)
    return x if bias is None else x.add_(bias[:, None, None])


def modulated_conv2d(
    x: Float[Tensor, "n i h w"],
    weight: Float[Tensor, "o i k k"],
    styles: Float[Tensor, "n i"],
    demodulate: bool = True,
    up: bool = False,
    bias: Float[Tensor, " o"] | None = None,
    gain: float = 1.0,
) -> Float[Tensor, "n o h2 w2"]:
    """Convolve with weights scaled by a style per input channel (eqs. 1 and 3 of StyleGAN2), and add a bias.

    The style scales the input and the demodulation the output, which is the same as scaling the weights
    of each sample but needs one convolution for the whole batch. A single sample's weights are scaled
    themselves where they are fewer than its features. Factors are computed in the precision of the styles.

    Args:
        x: Feature maps.
        weight: Kernel, shared by the batch.
        styles: Factor on each input channel.
        demodulate: Divide each output channel by the norm of its scaled kernel.
        up: Double the resolution: transposed convolution of stride 2, then the filter; for 1x1 kernels the
            convolution, then upsampling.
        bias: Added to the result.
        gain: Factor on the result but for the bias.
    """
    scale = None
    if demodulate:
        norm = styles.square() @ weight.square().sum(dim=(2, 3)).T
        scale = gain * (norm + 1e-8).rsqrt()
    elif gain != 1:
        styles = gain * styles
    bias = None if bias is None else bias.to(x.dtype)
    if len(x) == 1 and weight.numel() <= x.numel():
        weight = weight * styles[0, :, None, None]
        weight = weight if scale is None else weight * scale[0, :, None, None, None]
        return _convolve(x, weight.to(x.dtype), up, bias)
    x = x * styles.to(x.dtype)[:, :, None, None]
    if scale is None:
        return _convolve(x, weight.to(x.dtype), up, bias)
    x, scale = _convolve(x, weight.to(x.dtype), up, None), scale.to(x.dtype)[:, :, None, None]
    return x * scale if bias is None else torch.addcmul(bias[:, None, None], x, scale)


class SynthesisLayer(nn.Module):
    """Modulated convolution, spatial noise, bias, leaky ReLU.

    Args:
        in_channels: Channels of the input.
        out_channels: Channels of the output.
        w_dim: Width of a style code.
        resolution: Side of the output.
        up: Double the resolution.
        kernel_size: Side of the kernel, odd.
    """

    noise_const: Tensor

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        w_dim: int,
        resolution: int,
        up: bool = False,
        kernel_size: int = 3,
    ) -> None:
        super().__init__()
        self.affine = EqualizedLinear(w_dim, in_channels, bias_init=1)
        self.weight = nn.Parameter(torch.randn(out_channels, in_channels, kernel_size, kernel_size))
        self.bias = nn.Parameter(torch.zeros(out_channels))
        self.noise_strength = nn.Parameter(torch.zeros([]))
        self.register_buffer("noise_const", torch.randn(resolution, resolution))
        self.up, self.activation = up, ACTIVATIONS["leaky_relu"]

    def draw_noise(self, n: int) -> Float[Tensor, "n 1 h w"]:
        """Draw spatial noise for outputs of this resolution."""
        return torch.randn_like(self.noise_const.expand(n, 1, -1, -1))

    def forward(
        self, x: Float[Tensor, "n i h w"], w: Float[Tensor, "n d"], noise: str | Float[Tensor, "n 1 h2 w2"]
    ) -> Float[Tensor, "n o h2 w2"]:
        """Apply the layer; noise is ``random`` (drawn anew), ``const`` (stored), ``none``, or given."""
        gain = self.activation.gain
        x = modulated_conv2d(x, self.weight, self.affine(w), up=self.up, bias=gain * self.bias, gain=gain)
        if isinstance(noise, Tensor) or noise != "none":
            if not isinstance(noise, Tensor):
                noise = torch.randn_like(x[:, :1]) if noise == "random" else self.noise_const
            x = x.add_((gain * self.noise_strength * noise).to(x.dtype))
        return self.activation(x)


class OutputLayer(nn.Module):
    """Modulated 1x1 convolution without demodulation: features to output channels ("torgb").

    Args:
        in_channels: Channels of the input.
        out_channels: Channels of the output.
        w_dim: Width of a style code.
    """

    def __init__(self, in_channels: int, out_channels: int, w_dim: int) -> None:
        super().__init__()
        self.affine = EqualizedLinear(w_dim, in_channels, bias_init=1)
        self.weight = nn.Parameter(torch.randn(out_channels, in_channels, 1, 1))
        self.bias = nn.Parameter(torch.zeros(out_channels))
        self.weight_gain = 1 / math.sqrt(in_channels)

    def forward(self, x: Float[Tensor, "n i h w"], w: Float[Tensor, "n d"]) -> Float[Tensor, "n o h w"]:
        """Apply the layer."""
        styles = self.affine(w) * self.weight_gain
        return modulated_conv2d(x, self.weight, styles, demodulate=False, bias=self.bias)


class SynthesisBlock(nn.Module):
    """One resolution: (first layer,) layer, and an output layer that is added to the skip image.

    Args:
        in_channels: Channels of the input; 0 starts from a learned constant.
        out_channels: Channels of the features.
        image_channels: Channels of the output image.
        w_dim: Width of a style code.
        resolution: Side of the output.
        up: Double the resolution, in the first layer and of the skip image.
        kernel_size: Side of the kernels, odd.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        image_channels: int,
        w_dim: int,
        resolution: int,
        up: bool = True,
        kernel_size: int = 3,
    ) -> None:
        super().__init__()
        self.up = up
        self.conv0 = None
        if in_channels == 0:
            self.const = nn.Parameter(torch.randn(out_channels, resolution, resolution))
        else:
            self.conv0 = SynthesisLayer(in_channels, out_channels, w_dim, resolution, up, kernel_size)
        self.conv1 = SynthesisLayer(out_channels, out_channels, w_dim, resolution, kernel_size=kernel_size)
        self.to_image = OutputLayer(out_channels, image_channels, w_dim)

    @property
    def num_convs(self) -> int:
        """Style codes that the block uses up; its output layer borrows the next block's first."""
        return 1 if self.conv0 is None else 2

    def draw_noise(self, n: int) -> list[Tensor]:
        """Draw spatial noise for each convolution."""
        layers = [self.conv1] if self.conv0 is None else [self.conv0, self.conv1]
        return [layer.draw_noise(n) for layer in layers]

    def forward(
        self,
        x: Float[Tensor, "n i h w"] | None,
        image: Float[Tensor, "n c h w"] | None,
        ws: Float[Tensor, "n l d"],
        noise: str | Sequence[Tensor],
    ) -> tuple[Tensor, Tensor]:
        """Return the features and the image of this resolution; noise as of ``SynthesisLayer``."""
        codes = iter(ws.unbind(dim=1))
        maps = iter([noise] * self.num_convs if isinstance(noise, str) else noise)
        if self.conv0 is None:
            x = self.const.expand(ws.shape[0], -1, -1, -1).contiguous(memory_format=torch.channels_last)
        else:
            x = self.conv0(x, next(codes), next(maps))
        x = self.conv1(x, next(codes), next(maps))
        out = self.to_image(x, next(codes))
        if image is None:
            return x, out
        return x, upsample2d(image).add_(out) if self.up else image + out
