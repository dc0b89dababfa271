"""Discriminator that grows with the images: VolumeGAN's, StyleGAN2's residual one (Xu et al. 2022)."""

import math
from itertools import pairwise

import torch.nn.functional as F
from jaxtyping import Float
from mmagic.registry import MODELS
from torch import Tensor, nn

from ...layers import EqualizedConv2d, Label, channels_at, check_power_of_two, one_hot_label
from ...ranges import Count, Positive, Size
from ...rendering import Patch
from .blocks import DiscriminatorBlock, Epilogue


@MODELS.register_module()
class GrowingDiscriminator(nn.Module):
    """StyleGAN2's residual discriminator on whole images, of which the first blocks may not be on yet.

    While levels of growing are off, the images are averaged down to the size of the first block that is on;
    half-way the two inputs are mixed. Labels are judged by projection, which is what VolumeGAN means; its
    release hands them over as the level and cannot train with them.

    Args:
        image_size: Side of the images, a power of two.
        patch_size: Must be the image size; there for the generator that sets it.
        num_classes: Number of classes; None for none.
        in_channels: 4 with depth, 3 without.
        base_size: Side of the images at level 0 of growing.
        cbase: Channels times resolution.
        cmax: Most channels of a block.
        embed_dim: Width of a label's code.
        mapping_layers: Layers behind a label's embedding.
        mapping_dim: Width between these layers.
        mapping_lr_multiplier: Factor on their learning rate.
        feature_dim: Width of the classifier features that a second head predicts; None for no head.
        mbstd_group_size: Samples of a minibatch-std group.
        clamp: Bound on activations; None for none.
    """

    grows = True

    def __init__(
        self,
        image_size: Size = 256,
        patch_size: Size | None = None,
        num_classes: Size | None = 1000,
        in_channels: Size = 3,
        base_size: Size = 32,
        cbase: Size = 32768,
        cmax: Size = 512,
        embed_dim: Size = 512,
        mapping_layers: Count = 0,
        mapping_dim: Size = 512,
        mapping_lr_multiplier: Positive = 0.1,
        feature_dim: Size | None = None,
        mbstd_group_size: Size = 4,
        clamp: Positive | None = None,
    ) -> None:
        super().__init__()
        check_power_of_two("image_size", image_size, minimum=8)
        check_power_of_two("base_size", base_size)
        if patch_size not in (None, image_size):
            raise ValueError(f"patch_size: got {patch_size}, wanted whole images of {image_size} (or None)")
        self.image_size = self.patch_size = image_size
        self.num_classes, self.in_channels = num_classes, in_channels
        self.levels = int(math.log2(image_size // base_size))
        sides = [2**i for i in range(int(math.log2(image_size)), 1, -1)]
        widths = [channels_at(side, cbase, cmax) for side in sides]
        self.from_image = nn.ModuleList(
            EqualizedConv2d(in_channels, width, 1, "leaky_relu", clamp=clamp) for width in widths
        )
        self.blocks = nn.ModuleList(
            DiscriminatorBlock(i, o, 0, down=True, clamp=clamp) for i, o in pairwise(widths)
        )
        self.epilogue = Epilogue(
            widths[-1],
            num_classes or 0,
            feature_dim,
            mbstd_group_size,
            clamp,
            mapping_layers,
            mapping_lr_multiplier,
            code_dim=embed_dim,
            mapping_dim=mapping_dim,
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
            images: RGB (and depth) images of the full size, about [-1, 1].
            label: Classes; ignored without classes.
            patch: Must be None: whole images only.
            return_features: Also return the predicted classifier features.
            level: Of growing: how many doublings of ``base_size`` are on, the last in part; None for all.

        Returns:
            Logits (positive: real), with ``return_features`` also the features.
        """
        expected = (self.in_channels, self.image_size, self.image_size)
        if tuple(images.shape[1:]) != expected or patch is not None:
            raise ValueError(f"images: got shape {tuple(images.shape[1:])}, wanted whole ones of {expected}")
        off = 0.0 if level is None else self.levels - level
        condition = one_hot_label(label, self.num_classes, len(images)).to(images)
        logits, features = self.epilogue(self._encode(images, off), condition)
        if not return_features:
            return logits
        if features is None:
            raise ValueError("return_features: this discriminator was built with feature_dim=None")
        return logits, features

    def _encode(self, images: Float[Tensor, "n c h w"], off: float) -> Float[Tensor, "n o 4 4"]:
        """Return the last features, the first ``off`` blocks left out."""
        first, fade = int(off), off % 1
        for _ in range(first):
            images = F.avg_pool2d(images, 2)
        x = self.from_image[first](images)
        if fade:
            x = self.blocks[first](x, None)
            coarse = self.from_image[first + 1](F.avg_pool2d(images, 2))
            x, first = x.lerp(coarse, fade), first + 1
        for block in self.blocks[first:]:
            x = block(x, None)
        return x
