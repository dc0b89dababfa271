"""Discriminators."""

from .discriminator import ThreeDGPDiscriminator
from .distilled_discriminator import DistilledDiscriminator
from .skip_discriminator import SkipDiscriminator

__all__ = ["DistilledDiscriminator", "SkipDiscriminator", "ThreeDGPDiscriminator"]
