"""Discriminators."""

from .discriminator import ThreeDGPDiscriminator
from .distilled_discriminator import DistilledDiscriminator
from .dual_discriminator import ThreeDGPDualDiscriminator
from .growing_discriminator import GrowingDiscriminator
from .projected_discriminator import ProjectedDiscriminator
from .skip_discriminator import SkipDiscriminator

__all__ = [
    "DistilledDiscriminator",
    "GrowingDiscriminator",
    "ProjectedDiscriminator",
    "SkipDiscriminator",
    "ThreeDGPDiscriminator",
    "ThreeDGPDualDiscriminator",
]
