"""Discriminators on the features of a frozen network (Projected GAN, Sauer et al. 2021)."""

import math
from itertools import pairwise
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float
from mmagic.registry import MODELS
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

from ...layers import CodeMapping, Label, ScalarEncoder, one_hot_label
from ...ranges import Size
from ...rendering import Patch
from ..building import Config, build
from ..frozen_network import FrozenNetwork

CHANNEL_ORDERS = ("rgb", "bgr")
LOGIT_SIDE = 4
Maps = list[Float[Tensor, "n _ _ _"]]


class FrozenPyramid(FrozenNetwork):
    """The last feature maps of a frozen network of timm, through which gradients pass.

    Args:
        num_scales: How many maps.
        **kwargs: See ``FrozenNetwork``.
    """

    def __init__(self, num_scales: int, **kwargs: Any) -> None:
        super().__init__(**kwargs, features_only=True)
        if num_scales < 1:
            raise ValueError(f"num_scales: got {num_scales}, wanted at least 1")
        self.num_scales = min(num_scales, len(self.network.feature_info.channels()))
        self.is_channels_last = str(getattr(self.network, "output_fmt", "NCHW")).endswith("NHWC")
        if self.sides[-1] < 2:
            raise ValueError(
                f"input_size: got {self.image_size}, of which {self.model} makes maps of {self.sides[-1]} "
                "pixels, wanted at least 2"
            )

    @property
    def channels(self) -> list[int]:
        """Channels of each map, finest first."""
        return self.network.feature_info.channels()[-self.num_scales :]

    @property
    def sides(self) -> list[int]:
        """Side of each map in pixels."""
        return [self.image_size // step for step in self.network.feature_info.reduction()[-self.num_scales :]]

    def forward(self, images: Float[Tensor, "n 3 h w"]) -> Maps:
        """Return feature maps of RGB images in [-1, 1], finest first."""
        maps = self.network(self.normalized(images))[-self.num_scales :]
        return [x.permute(0, 3, 1, 2) for x in maps] if self.is_channels_last else maps


class FixedConv2d(nn.Module):
    """Convolution with random weights (He et al. 2015) that are saved, but not trained.

    Args:
        in_channels: Channels of the input.
        out_channels: Channels of the output.
        kernel_size: Side of the kernel, odd.
    """

    weight: Tensor

    def __init__(self, in_channels: int, out_channels: int, kernel_size: int) -> None:
        super().__init__()
        weight = torch.empty(out_channels, in_channels, kernel_size, kernel_size)
        self.register_buffer("weight", nn.init.kaiming_normal_(weight, nonlinearity="linear"))

    def forward(self, x: Float[Tensor, "n i h w"]) -> Float[Tensor, "n o h w"]:
        """Convolve."""
        return F.conv2d(x, self.weight, padding=self.weight.shape[-1] // 2)


class RandomMixing(nn.Module):
    """Random mixing of features across channels (1x1), then across scales (3x3, coarse to fine); section 3.2.

    A discriminator then cannot get along with the few channels, or the one scale, that are easiest to tell
    real images by.

    Args:
        channels: Channels of each map, finest first.
        width: Channels of the finest mixed map; they double with each coarser one.
    """

    def __init__(self, channels: list[int], width: int) -> None:
        super().__init__()
        widths = [width * 2**level for level in range(len(channels))]
        self.out_channels = [width, *widths[:-1]]
        self.across_channels = nn.ModuleList(
            FixedConv2d(i, o, 1) for i, o in zip(channels, widths, strict=True)
        )
        self.across_scales = nn.ModuleList(
            FixedConv2d(i, o, 3) for i, o in zip(widths, self.out_channels, strict=True)
        )

    def forward(self, maps: Maps) -> Maps:
        """Return the mixed maps, finest first, each of the side of its input."""
        mixed: Maps = []
        layers = zip(maps, self.across_channels, self.across_scales, strict=True)
        for features, across_channels, across_scales in reversed(list(layers)):
            x = across_channels(features)
            if mixed:
                x = x + F.interpolate(mixed[0], x.shape[-2:], mode="bilinear", align_corners=False)
            mixed.insert(0, across_scales(x))
        return mixed


class ScaleHead(nn.Module):
    """Small discriminator of one scale: strided convolutions down to about 4x4, a logit for each place.

    Its weights begin with unit variance, and count up to their spectral norm only: they take the rate of the
    equalised layers of the other discriminators.

    Args:
        channels: Channels of the mixed map.
        side: Its side in pixels.
        width: Channels of the convolutions.
        condition_dim: Width of what is known of the images; 0 for an unconditional logit.
        code_dim: Width of the projection on it.
    """

    def __init__(self, channels: int, side: int, width: int, condition_dim: int, code_dim: int) -> None:
        super().__init__()
        steps = max(1, int(math.log2(side / LOGIT_SIDE)))
        widths = [channels, *[width] * steps]
        self.blocks = nn.ModuleList(_scale_free(nn.Conv2d(i, o, 4, 2, 1)) for i, o in pairwise(widths))
        self.out = _scale_free(nn.Conv2d(width, code_dim if condition_dim else 1, 3, padding=1))
        self.condition_mapping = CodeMapping(condition_dim, code_dim) if condition_dim else None

    def forward(
        self, x: Float[Tensor, "n c h w"], condition: Float[Tensor, "n d"]
    ) -> tuple[Float[Tensor, "n places"], Float[Tensor, "n width"]]:
        """Return the logit of each place, and the mean of the last features."""
        for block in self.blocks:
            x = F.leaky_relu(block(x), 0.2)
        out = self.out(x)
        if self.condition_mapping is not None:
            code = self.condition_mapping(condition)
            out = (out * code[:, :, None, None]).sum(dim=1) / math.sqrt(code.shape[1])
        return out.flatten(1), x.mean(dim=(2, 3))


def _scale_free(layer: nn.Conv2d) -> nn.Module:
    nn.init.normal_(layer.weight)
    assert layer.bias is not None
    nn.init.zeros_(layer.bias)
    return spectral_norm(layer)


@MODELS.register_module()
class ProjectedDiscriminator(nn.Module):
    """Several small discriminators on the randomly mixed features of a frozen network of timm.

    The loss is to be the hinge, without R1. Each of the discriminators gives a logit for each place of a map
    of about 4x4; the loss averages over all of them (the paper sums over the discriminators).

    A depth channel is shown to the network as a gray picture, and its features lie beside those of the
    colours when they are mixed: so colour and depth are judged together, at twice the cost.

    Args:
        image_size: Side of the full image.
        patch_size: Side of the patches; None for the image size.
        num_classes: Number of classes, on whose code the logits are projected; None for none.
        in_channels: 4 with depth, 3 without.
        network: Name of a timm model that gives features.
        checkpoint: Its weights, see ``FrozenNetwork``.
        pretrained: Let timm fetch its weights.
        input_size: Side that images and patches are resized to for the network, in pixels.
        num_scales: Discriminators, on the coarsest maps of the network.
        mixed_width: Channels of the finest mixed map.
        width: Channels of the discriminators.
        code_dim: Width of the code of class and patch.
        patch_conditioning: Tell the discriminators where a patch lies.
        patch_embed_dim: Width of the learned part of a scalar's embedding.
        feature_dim: Width of the classifier features that a second head predicts; None for no head.
        augment: Config of an augmentation of all images, such as ``DiffAugment``; None for none.
        channel_order: Order of the model's images, ``rgb`` or ``bgr`` (the toolkit's default).

    Raises:
        ValueError: If an argument is not possible.
    """

    def __init__(
        self,
        image_size: Size = 256,
        patch_size: Size | None = None,
        num_classes: Size | None = None,
        in_channels: Size = 3,
        network: str = "tf_efficientnet_lite1",
        checkpoint: str | None = None,
        pretrained: bool = False,
        input_size: Size = 256,
        num_scales: Size = 4,
        mixed_width: Size = 64,
        width: Size = 256,
        code_dim: Size = 64,
        patch_conditioning: bool = False,
        patch_embed_dim: Size = 256,
        feature_dim: Size | None = None,
        augment: Config | None = None,
        channel_order: str = "rgb",
    ) -> None:
        super().__init__()
        if in_channels not in (3, 4):
            raise ValueError(f"in_channels: got {in_channels}, wanted 3 (RGB) or 4 (RGB and depth)")
        if channel_order not in CHANNEL_ORDERS:
            raise ValueError(f"channel_order: got {channel_order!r}, wanted one of {CHANNEL_ORDERS}")
        self.image_size, self.patch_size = image_size, patch_size or image_size
        self.num_classes, self.in_channels, self.feature_dim = num_classes, in_channels, feature_dim
        self.channel_order = channel_order
        self.features = FrozenPyramid(
            num_scales, model=network, checkpoint=checkpoint, pretrained=pretrained, image_size=input_size
        )
        pictures = 2 if in_channels == 4 else 1
        self.mixing = RandomMixing([pictures * c for c in self.features.channels], mixed_width)
        self.scalar_encoder = ScalarEncoder(patch_embed_dim) if patch_conditioning else None
        condition_dim = num_classes or 0
        if self.scalar_encoder is not None:
            condition_dim += self.scalar_encoder.out_dim(3)
        self.heads = nn.ModuleList(
            ScaleHead(channels, side, width, condition_dim, code_dim)
            for channels, side in zip(self.mixing.out_channels, self.features.sides, strict=True)
        )
        self.feature_head = nn.Linear(width * len(self.heads), feature_dim) if feature_dim else None
        self.augment: nn.Module | None = build(augment)

    def forward(
        self,
        images: Float[Tensor, "n c h w"],
        label: Label | None = None,
        patch: Patch | None = None,
        return_features: bool = False,
    ) -> Float[Tensor, "n places"] | tuple[Float[Tensor, "n places"], Float[Tensor, "n f"]]:
        """Judge images or patches.

        Args:
            images: RGB (and depth), about [-1, 1].
            label: Classes; ignored without classes.
            patch: Where the patches lie; None for whole images.
            return_features: Also return the predicted classifier features.

        Returns:
            Logits of all places of all scales (positive: real), with ``return_features`` also the features.
        """
        expected = (self.in_channels, self.patch_size, self.patch_size)
        if tuple(images.shape[1:]) != expected:
            raise ValueError(f"images: got shape {tuple(images.shape[1:])}, wanted {expected}")
        condition = self._condition(images, label, patch)
        if self.augment is not None:
            images = self.augment(images)
        judged = [head(x, condition) for head, x in zip(self.heads, self._mixed(images), strict=True)]
        logits = torch.cat([each for each, _ in judged], dim=1)
        if not return_features:
            return logits
        if self.feature_head is None:
            raise ValueError("return_features: this discriminator was built with feature_dim=None")
        return logits, self.feature_head(torch.cat([pooled for _, pooled in judged], dim=1))

    def _mixed(self, images: Tensor) -> Maps:
        rgb = images[:, :3].flip(1) if self.channel_order == "bgr" else images[:, :3]
        pictures = [rgb]
        if self.in_channels == 4:
            pictures.append(images[:, 3:].expand(-1, 3, -1, -1))
        maps = zip(*(self.features(picture) for picture in pictures), strict=True)
        return self.mixing([torch.cat(each, dim=1) for each in maps])

    def _condition(self, images: Tensor, label: Label | None, patch: Patch | None) -> Float[Tensor, "n d"]:
        known = [one_hot_label(label, self.num_classes, len(images)).to(images)]
        if self.scalar_encoder is not None:
            patch = Patch.full(len(images), device=images.device) if patch is None else patch
            known.append(self.scalar_encoder(patch.params))
        return torch.cat(known, dim=1)
