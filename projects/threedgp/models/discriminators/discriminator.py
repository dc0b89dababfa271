"""Patch discriminator with two heads: real or fake, a classifier's features (docs/method.md, section 8)."""

import math
from itertools import pairwise

import torch
from jaxtyping import Float
from mmagic.registry import MODELS
from torch import Tensor, nn

from ...layers import (
    CodeMapping,
    EqualizedConv2d,
    Label,
    LowPrecision,
    ScalarEncoder,
    channels_at,
    check_power_of_two,
    one_hot_label,
)
from ...ranges import Count, Positive, Size
from ...rendering import Patch
from .blocks import DiscriminatorBlock, Epilogue


@MODELS.register_module()
class ThreeDGPDiscriminator(nn.Module):
    """StyleGAN2 residual discriminator on RGB(-depth) patches, told where each patch lies.

    A patch smaller than the image first meets log2(image / patch) blocks that keep the resolution, so that
    the network is as deep as for whole images, and has its widths.

    Args:
        image_size: Side of the full image, a power of two.
        patch_size: Side of the patches; None for the image size.
        num_classes: Number of classes; None for none.
        in_channels: 4 with depth, 3 without.
        cbase: Channels times resolution.
        cmax: Most channels of a block.
        patch_conditioning: Modulate the blocks and the logit with scale and offset of the patch.
        code_dim: Width of the code that modulates the blocks.
        patch_embed_dim: Width of the learned part of a scalar's embedding.
        feature_dim: Width of the classifier features that the second head predicts; None for no head.
        mbstd_group_size: Samples of a minibatch-std group.
        clamp: Bound on activations, which half precision needs.
        low_precision_blocks: Number of first blocks that run in ``low_precision`` on a GPU.
        low_precision: ``bfloat16`` or ``float16`` (the release's).
        low_precision_on_cpu: Run them so on a CPU as well.
        official_compat: Keep the release's unused input layers of later blocks as frozen parameters, so that
            its checkpoints map one to one.
        mapping_layers: Layers of the mapping of label and patch embedding to the logit's projection.
    """

    def __init__(
        self,
        image_size: Size = 256,
        patch_size: Size | None = 64,
        num_classes: Count | None = 1000,
        in_channels: Size = 4,
        cbase: Size = 65536,
        cmax: Size = 1024,
        patch_conditioning: bool = True,
        code_dim: Size = 512,
        patch_embed_dim: Size = 256,
        feature_dim: Size | None = 2048,
        mbstd_group_size: Size = 4,
        clamp: Positive | None = 256.0,
        low_precision_blocks: Count = 4,
        low_precision: str = "bfloat16",
        low_precision_on_cpu: bool = False,
        official_compat: bool = True,
        mapping_layers: Size = 2,
    ) -> None:
        super().__init__()
        patch_size = patch_size or image_size
        check_power_of_two("image_size", image_size, minimum=8)
        check_power_of_two("patch_size", patch_size, minimum=8)
        if patch_size > image_size:
            raise ValueError(f"patch_size: got {patch_size}, wanted at most image_size = {image_size}")
        self.image_size, self.patch_size = image_size, patch_size
        self.num_classes, self.in_channels = num_classes, in_channels
        self.precision = LowPrecision(low_precision_blocks, low_precision, low_precision_on_cpu)
        self.scalar_encoder: ScalarEncoder | None = None
        self.code_mapping: CodeMapping | None = None
        condition_dim = num_classes or 0
        if patch_conditioning:
            self.scalar_encoder = ScalarEncoder(patch_embed_dim)
            patch_dim = self.scalar_encoder.out_dim(3)
            self.code_mapping = CodeMapping(patch_dim, code_dim)
            condition_dim += patch_dim
        sides = [2**i for i in range(int(math.log2(image_size)), 1, -1)]
        widths = [channels_at(side, cbase, cmax) for side in sides]
        num_same = int(math.log2(image_size // patch_size))
        self.from_image = EqualizedConv2d(in_channels, widths[0], 1, "leaky_relu", clamp=clamp)
        self.blocks = nn.ModuleList(
            DiscriminatorBlock(i, o, code_dim * patch_conditioning, index >= num_same, clamp)
            for index, (i, o) in enumerate(pairwise(widths))
        )
        unused = widths[1:-1] if official_compat else []
        self.unused_from_image = nn.ModuleList(
            EqualizedConv2d(in_channels, width, 1) for width in unused
        ).requires_grad_(False)
        self.epilogue = Epilogue(
            widths[-1], condition_dim, feature_dim, mbstd_group_size, clamp, mapping_layers
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
    ) -> Float[Tensor, " n"] | tuple[Float[Tensor, " n"], Float[Tensor, "n f"]]:
        """Judge patches.

        Args:
            images: RGB (and depth) patches, about [-1, 1].
            label: Classes; ignored without classes.
            patch: Where the patches lie; None for whole images.
            return_features: Also return the predicted classifier features.

        Returns:
            Logits (positive: real), with ``return_features`` also the features.
        """
        n = images.shape[0]
        expected = (self.in_channels, self.patch_size, self.patch_size)
        if tuple(images.shape[1:]) != expected:
            raise ValueError(f"images: got shape {tuple(images.shape[1:])}, wanted {expected}")
        condition = one_hot_label(label, self.num_classes, n).to(images)
        code = None
        if self.scalar_encoder is not None and self.code_mapping is not None:
            patch = Patch.full(n, device=images.device) if patch is None else patch
            embedding = self.scalar_encoder(patch.params)
            code = self.code_mapping(embedding)
            condition = torch.cat([condition, embedding], dim=1)
        x = images.to(self.precision.of(0, images)).contiguous(memory_format=torch.channels_last)
        x = self.from_image(x)
        for index, block in enumerate(self.blocks):
            x = block(x.to(self.precision.of(index, images)), code)
        logits, features = self.epilogue(x.to(images.dtype), condition)
        if not return_features:
            return logits
        if features is None:
            raise ValueError("return_features: this discriminator was built with feature_dim=None")
        return logits, features
