"""StyleGAN2's discriminator with input skips, which sees images of every size as they grow (StyleNeRF)."""

import math
from itertools import pairwise
from typing import Any

from jaxtyping import Float
from mmagic.registry import MODELS
from torch import Tensor, nn

from ...layers import (
    EqualizedConv2d,
    Label,
    channels_at,
    check_power_of_two,
    filter2d,
    one_hot_label,
    resize,
)
from ...ranges import Count, Positive, Size
from ...rendering import Patch
from .blocks import Epilogue


class SkipBlock(nn.Module):
    """Adds what it sees of the image of its size, then two layers, the second of which halves the size.

    Args:
        in_channels: Channels of the input.
        out_channels: Channels of the output.
        image_channels: Channels of the image.
        clamp: Bound on activations.
    """

    def __init__(self, in_channels: int, out_channels: int, image_channels: int, clamp: float | None) -> None:
        super().__init__()
        self.from_image = EqualizedConv2d(image_channels, in_channels, 1, "leaky_relu", clamp=clamp)
        self.conv0 = EqualizedConv2d(in_channels, in_channels, 3, "leaky_relu", clamp=clamp)
        self.conv1 = EqualizedConv2d(in_channels, out_channels, 3, "leaky_relu", down=True, clamp=clamp)

    def forward(self, x: Float[Tensor, "n i h w"] | None, image: Float[Tensor, "n c h w"]) -> Tensor:
        """Return features of half the size; ``x`` does not have the image in it yet."""
        seen = self.from_image(image)
        return self.conv1(self.conv0(seen if x is None else x + seen))


@MODELS.register_module()
class SkipDiscriminator(nn.Module):
    """Discriminator on whole images that grow; defaults are StyleNeRF's.

    Images of less than full size enter at the block of their size. StyleNeRF's release adds what that block
    sees twice, and does not fade the block in although its images do: ``fade`` offers what was meant.

    Args:
        image_size: Side of the full image, a power of two.
        patch_size: Must be the image size: there are no patches.
        num_classes: Number of classes; None for none.
        in_channels: 4 with depth, 3 without.
        cbase: Channels times resolution.
        cmax: Most channels of a block.
        start_size: Side of the images of level 0.
        fade: Fade the block of a new size in, together with the images.
        feature_dim: Width of the classifier features that the second head predicts; None for no head.
        mbstd_group_size: Samples of a minibatch-std group.
        mapping_layers: Layers of the mapping of the label.
        clamp: Bound on activations.
    """

    grows = True
    """Told the level of growing."""

    def __init__(
        self,
        image_size: Size = 256,
        patch_size: Size | None = None,
        num_classes: Size | None = 1000,
        in_channels: Size = 3,
        cbase: Size = 16384,
        cmax: Size = 512,
        start_size: Size = 32,
        fade: bool = False,
        feature_dim: Size | None = None,
        mbstd_group_size: Size = 8,
        mapping_layers: Count = 8,
        clamp: Positive | None = 256.0,
    ) -> None:
        super().__init__()
        check_power_of_two("image_size", image_size, minimum=8)
        check_power_of_two("start_size", start_size)
        if (patch_size or image_size) != image_size:
            raise ValueError(f"patch_size: got {patch_size}, wanted the image_size {image_size} (or None)")
        if start_size > image_size:
            raise ValueError(f"start_size: got {start_size}, wanted at most image_size = {image_size}")
        self.image_size = self.patch_size = image_size
        self.num_classes, self.in_channels = num_classes, in_channels
        self.start_size, self.fade = start_size, fade
        sides = [2**i for i in range(int(math.log2(image_size)), 1, -1)]
        widths = [channels_at(side, cbase, cmax) for side in sides]
        self.blocks = nn.ModuleList(SkipBlock(i, o, in_channels, clamp) for i, o in pairwise(widths))
        self.from_image = EqualizedConv2d(in_channels, widths[-1], 1, "leaky_relu", clamp=clamp)
        self.epilogue = Epilogue(
            widths[-1], num_classes or 0, feature_dim, mbstd_group_size, clamp, mapping_layers
        )

    @property
    def feature_dim(self) -> int | None:
        """Width of the predicted classifier features, None without that head."""
        return self.epilogue.feature_dim

    @property
    def mbstd_group_size(self) -> int:
        """Samples of a minibatch-std group."""
        return self.epilogue.mbstd_group_size

    def forward(
        self,
        images: Float[Tensor, "n c h w"],
        label: Label | None = None,
        patch: Patch | None = None,
        return_features: bool = False,
        level: float | None = None,
    ) -> Float[Tensor, " n"] | tuple[Float[Tensor, " n"], Float[Tensor, "n f"]]:
        """Judge images.

        Args:
            images: RGB (and depth) images, about [-1, 1], of any size that images grow through.
            label: Classes; ignored without classes.
            patch: There are no patches: unused.
            return_features: Also return the predicted classifier features.
            level: Level of growing, see ``Sampling``; None for all of it.

        Returns:
            Logits (positive: real), with ``return_features`` also the features.
        """
        images = resize(images, self._entry_size(images, level), antialias=False)
        condition = one_hot_label(label, self.num_classes, len(images)).to(images)
        logits, features = self.epilogue(self._features(images, level), condition)
        if not return_features:
            return logits
        if features is None:
            raise ValueError("return_features: this discriminator was built with feature_dim=None")
        return logits, features

    def _entry_size(self, images: Tensor, level: float | None) -> int:
        """Return the side at which these images enter."""
        size = images.shape[-1]
        expected = [self.in_channels, size, size]
        if list(images.shape[1:]) != expected or size & (size - 1) or not 4 <= size <= self.image_size:
            wanted = f"({self.in_channels}, s, s) with s a power of two of at most {self.image_size}"
            raise ValueError(f"images: got shape {tuple(images.shape[1:])}, wanted {wanted}")
        if level is None or (level > 0 and not self.fade):
            return size
        doublings = int(level) + 1 if level > 0 else 0
        return min(self.start_size << doublings, size)

    def _features(self, image: Tensor, level: float | None) -> Float[Tensor, "n c 4 4"]:
        """Return what the blocks see, with the image of their size in it."""
        entry = int(math.log2(self.image_size // image.shape[-1]))
        doors: list[Any] = [*(block.from_image for block in self.blocks), self.from_image]
        # Started below full size, the first block adds what it sees a second time.
        x = doors[entry](image) if entry else None
        share, smaller = self._share(level, image), resize(image, image.shape[-1] // 2, antialias=False)
        for index, block in enumerate(self.blocks[entry:], start=entry):
            x = block(x, image)
            image = filter2d(image, padding=(1, 1), stride=2)
            if share < 1 and index == entry:
                x = doors[index + 1](smaller).lerp(x, share)
                image = smaller.lerp(image, share)
        seen = self.from_image(image)
        return seen if x is None else x + seen

    def _share(self, level: float | None, image: Tensor) -> float:
        """Return the share of the first block; 1 where it is not being faded in."""
        size = image.shape[-1]
        if not self.fade or level is None or self.start_size << (int(level) + 1) != size:
            return 1.0
        return level - int(level)
