"""Whether the parts of a ThreeDGP fit each other, asked once, before training."""

from typing import Any

from mmengine.optim import OptimWrapperDict

from ..models.discriminators.discriminator import ThreeDGPDiscriminator
from ..models.generator import ThreeDGPGenerator


def discriminator_defaults(generator: ThreeDGPGenerator) -> dict[str, Any]:
    """Return the arguments of a discriminator that follow from what the generator makes."""
    return dict(
        image_size=generator.image_size,
        patch_size=generator.patch_size,
        in_channels=generator.out_channels,
        num_classes=generator.num_classes,
    )


def check_parts(
    generator: ThreeDGPGenerator, discriminator: ThreeDGPDiscriminator, patches: bool, distilled: bool
) -> None:
    """Raise a ValueError that names the field unless both networks fit each other and the training.

    Args:
        generator: The generator.
        discriminator: The discriminator.
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
    if distilled and discriminator.feature_dim is None:
        raise ValueError("discriminator.feature_dim: got None, wanted the width of the teacher features")


def check_wrappers(optim_wrapper: OptimWrapperDict) -> None:
    """Raise a ValueError if an optimiser accumulates gradients, which ``micro_batch_size`` is for."""
    for name in ("generator", "discriminator"):
        count = optim_wrapper[name]._accumulative_counts
        if count != 1:
            raise ValueError(
                f"optim_wrapper.{name}.accumulative_counts: got {count}, wanted 1; set "
                "model.micro_batch_size to accumulate gradients"
            )
