"""StyleNeRF's upsampler: skip blocks with 1x1 kernels, which can also be run without upsampling."""

import math
from itertools import pairwise

import torch
import torch.nn.functional as F
from jaxtyping import Float
from mmagic.registry import MODELS
from mmengine.dist import all_reduce
from torch import Tensor, nn

from ...layers import (
    EqualizedConv2d,
    EqualizedLinear,
    OutputLayer,
    channels_at,
    check_power_of_two,
    filter2d,
    leaky_relu,
    modulated_conv2d,
    resize,
    upsample2d,
)
from ...ranges import Share, Size
from ..sampling import Sampling
from ..scene import Upsampled


def diagonal_means(x: Float[Tensor, "n c h w"]) -> Float[Tensor, "n c h2 w2"]:
    """Double the size: each pixel becomes means of a neighbour beside and one above or below."""
    padded = F.pad(x, (1, 1, 1, 1))
    left, right = padded[:, :, 1:-1, :-2], padded[:, :, 1:-1, 2:]
    upper, lower = padded[:, :, :-2, 1:-1], padded[:, :, 2:, 1:-1]
    corners = torch.stack([left + upper, upper + right, left + lower, right + lower], dim=2) / 2
    return F.pixel_shuffle(corners.flatten(1, 2), 2)


class UpsamplingAdapter(nn.Module):
    """Doubles the size: nearest neighbours, plus what two layers make of these and ``diagonal_means``.

    Args:
        channels: Channels of the maps.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        narrow = max(channels // 4, 1)
        self.layers = nn.Sequential(
            EqualizedConv2d(2 * channels, narrow, 1, "leaky_relu"), EqualizedConv2d(narrow, channels, 1)
        )

    def forward(self, x: Float[Tensor, "n c h w"]) -> Float[Tensor, "n c h2 w2"]:
        """Double the size."""
        nearest = F.interpolate(x, scale_factor=2, mode="nearest")
        return nearest + self.layers(torch.cat([nearest, diagonal_means(x)], dim=1))


class PointwiseLayer(nn.Module):
    """Modulated 1x1 convolution of an input brought to unit magnitude, bias, leaky ReLU.

    Args:
        in_channels: Channels of the input.
        out_channels: Channels of the output.
        w_dim: Width of a style code.
        up: Double the size, unless asked not to.
        decay: Decay of the running mean square of the input.
    """

    magnitude: Tensor

    def __init__(
        self, in_channels: int, out_channels: int, w_dim: int, up: bool = False, decay: float = 0.999
    ) -> None:
        super().__init__()
        self.affine = EqualizedLinear(w_dim, in_channels, bias_init=1)
        self.weight = nn.Parameter(torch.randn(out_channels, in_channels, 1, 1))
        self.bias = nn.Parameter(torch.zeros(out_channels))
        self.adapter = UpsamplingAdapter(out_channels) if up else None
        self.decay = decay
        self.register_buffer("magnitude", torch.ones([]))

    @torch.no_grad()
    def track(self, x: Float[Tensor, "n i h w"]) -> None:
        """Move the running mean square towards that of a batch, averaged over all processes."""
        mean = x.square().mean()
        all_reduce(mean, op="mean")
        self.magnitude.copy_(mean.lerp(self.magnitude, self.decay))

    def forward(
        self, x: Float[Tensor, "n i h w"], w: Float[Tensor, "n d"], track: bool, up: bool = True
    ) -> Float[Tensor, "n o h2 w2"]:
        """Apply the layer.

        Args:
            x: Feature maps.
            w: Style codes.
            track: Move the running mean square first, as training does.
            up: Double the size, if the layer does.
        """
        if track:
            self.track(x)
        x = modulated_conv2d(x * self.magnitude.rsqrt(), self.weight, self.affine(w))
        if self.adapter is not None and up:
            x = filter2d(self.adapter(x), padding=(2, 1))
        return leaky_relu(x + self.bias[:, None, None])


class PointwiseBlock(nn.Module):
    """One doubling: two layers, and an output layer that is added to the skip image.

    Args:
        in_channels: Channels of the input.
        out_channels: Channels of the features.
        w_dim: Width of a style code.
        decay: Decay of the running mean squares.
    """

    def __init__(self, in_channels: int, out_channels: int, w_dim: int, decay: float) -> None:
        super().__init__()
        self.conv0 = PointwiseLayer(in_channels, out_channels, w_dim, up=True, decay=decay)
        self.conv1 = PointwiseLayer(out_channels, out_channels, w_dim, decay=decay)
        self.to_image = OutputLayer(out_channels, 3, w_dim)

    def forward(
        self,
        x: Float[Tensor, "n i h w"],
        image: Float[Tensor, "n 3 h w"],
        ws: Float[Tensor, "n 3 d"],
        track: bool,
        up: bool = True,
    ) -> tuple[Tensor, Tensor]:
        """Return the features and the image, twice as large unless asked not to."""
        x = self.conv0(x, ws[:, 0], track, up)
        x = self.conv1(x, ws[:, 1], track)
        return x, (upsample2d(image) if up else image) + self.to_image(x, ws[:, 2])


@MODELS.register_module()
class StyleNeRFUpsampler(nn.Module):
    """Makes images of volume-rendered features, size by size; may grow (``Sampling.level``).

    The first three features are the image as it was rendered. Level 0 is ``start_size``. Between two levels
    the next size is on: its image is mixed with that of the size before. Up to ``render_size`` growing
    renders more pixels, and nothing is mixed. Running mean squares move with each pass of training, of which
    a batch in micro batches has several.

    Args:
        in_channels: Channels of the rendered features; the generator sets it.
        w_dim: Width of a style code; the generator sets it.
        image_size: Side of the images, a power of two.
        render_size: Side at which features are rendered, a power of two.
        start_size: Side of level 0, at most ``render_size``; None for ``render_size``.
        cbase: Channels times resolution.
        cmax: Most channels of a block.
        magnitude_decay: Decay of the running mean squares that layers divide their input by.
    """

    def __init__(
        self,
        in_channels: Size,
        w_dim: Size,
        image_size: Size = 256,
        render_size: Size = 32,
        start_size: Size | None = None,
        cbase: Size = 32768,
        cmax: Size = 1024,
        magnitude_decay: Share = 0.999,
    ) -> None:
        super().__init__()
        start_size = start_size or render_size
        for name, size in (
            ("image_size", image_size),
            ("render_size", render_size),
            ("start_size", start_size),
        ):
            check_power_of_two(f"upsampler.{name}", size)
        if not start_size <= render_size < image_size:
            raise ValueError(
                f"upsampler.start_size, render_size, image_size: got {start_size}, {render_size}, "
                f"{image_size}, wanted start_size <= render_size < image_size"
            )
        self.image_side, self.render_side, self.start_side = image_size, render_size, start_size
        sides = [render_size << i for i in range(1, _doublings(render_size, image_size) + 1)]
        widths = [in_channels - 3] + [channels_at(side, cbase, cmax) for side in sides]
        self.blocks = nn.ModuleList(PointwiseBlock(i, o, w_dim, magnitude_decay) for i, o in pairwise(widths))

    @property
    def num_ws(self) -> int:
        """Style codes needed."""
        return 2 * len(self.blocks) + 1

    def image_size(self, resolution: int, sampling: Sampling) -> int:
        """Return the side of the images, which is smaller than ``resolution`` where they still grow."""
        return self.start_side << self._levels_on(resolution, sampling)

    def render_size(self, resolution: int, sampling: Sampling) -> int:
        """Return the side at which features are rendered for images of a side of ``resolution``."""
        return min(self.image_size(resolution, sampling), self.render_side)

    def blocks_on(self, resolution: int, sampling: Sampling) -> int:
        """Return how many blocks are on."""
        return _doublings(self.render_size(resolution, sampling), self.image_size(resolution, sampling))

    def _levels_on(self, resolution: int, sampling: Sampling) -> int:
        if not (self.start_side <= resolution <= self.image_side) or resolution & (resolution - 1):
            wanted = f"a power of two from {self.start_side} to {self.image_side}"
            raise ValueError(f"resolution: got {resolution}, wanted {wanted}")
        most, level = _doublings(self.start_side, resolution), sampling.level
        if level is None or level <= 0:
            return most if level is None else 0
        return min(int(level) + 1, most)

    def _fade(self, resolution: int, sampling: Sampling) -> float:
        """Return the share of the last size; 1 where nothing is mixed."""
        level = sampling.level
        if level is None or int(level) + 1 > self._levels_on(resolution, sampling):
            return 1.0
        return level - int(level)

    def forward(
        self,
        features: Float[Tensor, "n c s s"],
        ws: Float[Tensor, "n l d"],
        resolution: int,
        sampling: Sampling = Sampling(),
    ) -> Upsampled:
        """Return images of a side of ``image_size``."""
        raw, x = features[:, :3], features[:, 3:]
        image = before = raw
        for index in range(self.blocks_on(resolution, sampling)):
            before = image
            x, image = self.blocks[index](x, image, ws[:, 2 * index : 2 * index + 3], _tracks(sampling))
        fade = self._fade(resolution, sampling)
        if fade < 1 and before.shape != image.shape:
            image = resize(before, image.shape[-1]).lerp(image, fade)
        return Upsampled(image, raw)

    def without_upsampling(
        self,
        features: Float[Tensor, "n c h w"],
        ws: Float[Tensor, "n l d"],
        resolution: int,
        sampling: Sampling = Sampling(),
    ) -> Float[Tensor, "n 3 h w"]:
        """Return the colours that the layers that are on make of each pixel alone, without mixing."""
        image, x = features[:, :3], features[:, 3:]
        for index in range(self.blocks_on(resolution, sampling)):
            codes = ws[:, 2 * index : 2 * index + 3]
            x, image = self.blocks[index](x, image, codes, _tracks(sampling), up=False)
        return image


def _tracks(sampling: Sampling) -> bool:
    """Running means move in training."""
    return sampling.kimg is not None


def _doublings(small: int, large: int) -> int:
    return int(math.log2(large // small))
