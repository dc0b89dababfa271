"""Whether the parts of a ThreeDGP fit each other, asked once, before training."""

from typing import Any

from mmengine.optim import AmpOptimWrapper, ApexOptimWrapper, OptimWrapperDict
from torch import Tensor

from ..models.generator import ThreeDGPGenerator

SHARES_TOLERANCE = 1e-2
"""What half precision leaves of a sum of a thousand shares."""


def discriminator_defaults(generator: ThreeDGPGenerator) -> dict[str, Any]:
    """Return the arguments of a discriminator that follow from what the generator makes."""
    return dict(
        image_size=generator.image_size,
        patch_size=generator.patch_size,
        in_channels=generator.out_channels,
        num_classes=generator.num_classes,
    )


def check_parts(generator: ThreeDGPGenerator, discriminator: Any, patches: bool, distilled: bool) -> None:
    """Raise a ValueError that names the field unless both networks fit each other and the training.

    Args:
        generator: The generator.
        discriminator: A discriminator that says what it was made for, as ``ThreeDGPDiscriminator`` does.
        patches: Whether training is on patches.
        distilled: Whether the discriminator learns from a teacher.
    """
    for name, ours, theirs in (
        ("image_size", generator.image_size, discriminator.image_size),
        ("patch_size", generator.patch_size, discriminator.patch_size),
        ("in_channels", generator.out_channels, discriminator.in_channels),
    ):
        if ours != theirs:
            raise ValueError(f"discriminator.{name}: got {theirs}, wanted {ours} as the generator makes it")
    if not patches and generator.patch_size != generator.image_size:
        raise ValueError(
            f"patch_size: got {generator.patch_size} without a patch_sampler, wanted the image_size "
            f"{generator.image_size} (or None)"
        )
    if getattr(discriminator, "takes_raw", False) and generator.upsampler is None:
        raise ValueError(
            f"discriminator.type: got {type(discriminator).__name__} without a generator.upsampler, wanted "
            "one that does not look at raw images"
        )
    if distilled and discriminator.feature_dim is None:
        raise ValueError("discriminator.feature_dim: got None, wanted the width of the teacher features")


def check_counts(images_seen: Tensor | None, label_distribution: Tensor | None) -> None:
    """Raise a ValueError if what a checkpoint says of images and classes is not possible.

    Args:
        images_seen: The count of images, of shape (); None if it is not said.
        label_distribution: Share of each class; None if it is not said.
    """
    if images_seen is not None and images_seen < 0:
        raise ValueError(f"images_seen: got {int(images_seen)}, wanted a count from 0 on")
    if label_distribution is not None and not (
        label_distribution.min() >= 0 and abs(float(label_distribution.sum()) - 1) < SHARES_TOLERANCE
    ):
        raise ValueError("label_distribution: wanted shares from 0 on that add up to 1")


def check_wrappers(optim_wrapper: OptimWrapperDict) -> None:
    """Raise a ValueError if an optimiser does what the model itself does, and better.

    That is to accumulate gradients, and to lower the precision: autocast would also reach cameras and rays,
    which need all of float32, and a loss scaler skips the steps whose gradients the model mends.
    """
    for name in ("generator", "discriminator"):
        wrapper = optim_wrapper[name]
        if isinstance(wrapper, AmpOptimWrapper | ApexOptimWrapper):
            raise ValueError(
                f"optim_wrapper.{name}.type: got {type(wrapper).__name__}, wanted OptimWrapper; for low "
                "precision set model.discriminator.low_precision_blocks and low_precision, which need no "
                "loss scaling"
            )
        if wrapper._accumulative_counts != 1:
            raise ValueError(
                f"optim_wrapper.{name}.accumulative_counts: got {wrapper._accumulative_counts}, wanted 1; "
                "set model.micro_batch_size to accumulate gradients"
            )
