"""VolumeGAN's upsampler: modulated 1x1 convolutions (Xu et al. 2022, section 3.3)."""

import math

from jaxtyping import Float
from mmagic.registry import MODELS
from torch import Tensor, nn

from ...layers import EqualizedConv2d, SynthesisBlock, channels_at, check_power_of_two
from ...ranges import Size
from ..sampling import Sampling
from ..scene import Upsampled


@MODELS.register_module()
class PointwiseUpsampler(nn.Module):
    """StyleGAN2's blocks with 1x1 kernels, one for each doubling, on top of rendered features.

    Images always have their full size: while levels of growing are off, pixels are repeated.

    Args:
        in_channels: Channels of rendered features.
        w_dim: Width of a style code.
        image_size: Side of a full image, a power of two.
        render_size: Side of the features of a full image, a smaller one.
        cbase: Channels times resolution.
        cmax: Most channels of a block.
        learned_base: The image that is upsampled starts as a learned mixture of the features instead of
            their first three.
    """

    def __init__(
        self,
        in_channels: Size = 512,
        w_dim: Size = 512,
        image_size: Size = 256,
        render_size: Size = 32,
        cbase: Size = 32768,
        cmax: Size = 512,
        learned_base: bool = False,
    ) -> None:
        super().__init__()
        check_power_of_two("render_size", render_size)
        check_power_of_two("upsampler.image_size", image_size, minimum=2 * render_size)
        self.full_size, self.levels = image_size, int(math.log2(image_size // render_size))
        sides = [render_size * 2**i for i in range(1, self.levels + 1)]
        widths = [in_channels, *(channels_at(side, cbase, cmax) for side in sides)]
        self.to_base = EqualizedConv2d(in_channels, 3, 1) if learned_base else None
        self.blocks = nn.ModuleList(
            SynthesisBlock(i, o, 3, w_dim, side, kernel_size=1)
            for i, o, side in zip(widths[:-1], widths[1:], sides, strict=True)
        )

    @property
    def num_ws(self) -> int:
        """Style codes needed: two for each doubling, one for the last output layer, and an unused first."""
        return 2 * self.levels + 2

    def render_size(self, resolution: int, sampling: Sampling = Sampling()) -> int:
        """Return the side at which features are rendered."""
        return resolution // 2**self.levels

    def image_size(self, resolution: int, sampling: Sampling = Sampling()) -> int:
        """Return the side of the images, ``resolution``."""
        return resolution

    def forward(
        self,
        features: Float[Tensor, "n c s s"],
        ws: Float[Tensor, "n l w"],
        resolution: int,
        sampling: Sampling = Sampling(),
    ) -> Upsampled:
        """Return images of a side of ``resolution``.

        Args:
            features: Rendered features.
            ws: Style codes.
            resolution: Side of the images. Where it is not ``image_size`` stored noise is left out.
            sampling: Spatial noise and the level of growing.
        """
        level = float(self.levels) if sampling.level is None else sampling.level
        noise = sampling.spatial_noise
        if noise == "const" and resolution != self.full_size:
            noise = "none"
        x, raw = features, features[:, :3] if self.to_base is None else self.to_base(features)
        image = older = raw
        for index, block in enumerate(self.blocks[: math.ceil(level)]):
            older = image
            x, image = block(x, image, ws[:, 2 * index + 1 : 2 * index + 4], noise)
        if level % 1:
            image = _enlarged(older, image.shape[-1]).lerp(image, level % 1)
        return Upsampled(_enlarged(image, resolution), raw)


def _enlarged(images: Float[Tensor, "n c s s"], side: int) -> Float[Tensor, "n c h h"]:
    """Repeat pixels up to this side."""
    times = side // images.shape[-1]
    return images.repeat_interleave(times, dim=-1).repeat_interleave(times, dim=-2) if times > 1 else images
