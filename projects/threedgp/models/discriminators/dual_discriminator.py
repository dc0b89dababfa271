"""EG3D's discriminator of images together with their raw renderings (Chan et al. 2022, section 4.3)."""

from typing import Any

import torch
from jaxtyping import Float
from mmagic.registry import MODELS
from torch import Tensor, nn

from ...layers import Label, one_hot_label, resize, with_pose
from ...ranges import Count, NonNegative, Share, Size
from ...rendering import Patch
from .discriminator import ThreeDGPDiscriminator


@MODELS.register_module()
class ThreeDGPDualDiscriminator(nn.Module):
    """A discriminator that sees images twice: as they are, and as they were rendered before upsampling.

    The raw image is resized to the full size and stacked behind the full one: what was not rendered cannot be
    invented by an upsampler.

    Args:
        in_channels: Channels of an image, of which the network sees twice as many.
        num_classes: Number of classes; None for none.
        pose_dim: Numbers of a pose that it is told behind the class; 0 for none.
        pose_noise: Noise on them, in standard deviations of each over the batch.
        raw_antialias: How raw images are made of real ones: share, in [0, 1], of an antialiased resize; the
            rest is a plain one.
        **network: Further arguments of ``ThreeDGPDiscriminator``; here it has EG3D's widths, eight layers for
            the label, and knows nothing of patches.
    """

    takes_raw = True

    def __init__(
        self,
        in_channels: Size = 3,
        num_classes: Size | None = 1000,
        pose_dim: Count = 0,
        pose_noise: NonNegative = 0.0,
        raw_antialias: Share = 1.0,
        **network: Any,
    ) -> None:
        super().__init__()
        eg3d = dict(cbase=32768, cmax=512, mapping_layers=8, patch_conditioning=False, feature_dim=None)
        arguments: dict[str, Any] = eg3d | dict(official_compat=False) | network
        told_dim = (num_classes or 0) + pose_dim
        self.judge = ThreeDGPDiscriminator(in_channels=2 * in_channels, num_classes=told_dim, **arguments)
        self.in_channels, self.num_classes = in_channels, num_classes
        self.pose_dim, self.pose_noise, self.raw_antialias = pose_dim, pose_noise, raw_antialias
        self.image_size, self.patch_size = self.judge.image_size, self.judge.patch_size

    @property
    def feature_dim(self) -> int | None:
        """Width of the predicted classifier features, None without that head."""
        return self.judge.feature_dim

    @property
    def mbstd_group_size(self) -> int:
        """Samples of a minibatch-std group."""
        return self.judge.mbstd_group_size

    def forward(
        self,
        images: Float[Tensor, "n c h w"],
        label: Label | None = None,
        patch: Patch | None = None,
        return_features: bool = False,
        raw: Float[Tensor, "n c s s"] | None = None,
        pose: Float[Tensor, "n pose"] | None = None,
    ) -> Float[Tensor, " n"] | tuple[Float[Tensor, " n"], Float[Tensor, "n f"]]:
        """Judge images.

        Args:
            images: RGB (and depth), about [-1, 1].
            label: Labels; ignored without classes.
            patch: Where the images lie in a larger one, if the network is told of that.
            return_features: Also return the predicted classifier features.
            raw: The images as they were rendered.
            pose: Poses; ignored without ``pose_dim``.

        Returns:
            Logits (positive: real), with ``return_features`` also the features.

        Raises:
            ValueError: If there is no ``raw``.
        """
        if raw is None:
            raise ValueError(
                "raw: got None, wanted the images as they were rendered (is there an upsampler?)"
            )
        both = torch.cat([images, resize(raw, images.shape[-1])], dim=1)
        told = one_hot_label(label, self.num_classes, len(images)).to(images)
        told = with_pose(told, None if pose is None else self.noisy(pose), self.pose_dim)
        return self.judge(both, told, patch, return_features)

    def raw_of(self, images: Float[Tensor, "n c h w"], side: int) -> Float[Tensor, "n c s s"]:
        """Return the raw images that real ones might have been upsampled from."""
        smooth = resize(images, side)
        if self.raw_antialias == 1:
            return smooth
        return resize(images, side, antialias=False).lerp(smooth, self.raw_antialias)

    def noisy(self, pose: Float[Tensor, "n pose"]) -> Float[Tensor, "n pose"]:
        """Return poses with noise."""
        if self.pose_noise == 0:
            return pose
        spread = pose.std(dim=0, correction=min(1, len(pose) - 1))
        return pose + self.pose_noise * torch.randn_like(pose) * spread
