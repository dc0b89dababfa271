"""Discriminators."""

from .discriminator import ThreeDGPDiscriminator
from .distilled_discriminator import DistilledDiscriminator
from .growing_discriminator import GrowingDiscriminator

__all__ = ["DistilledDiscriminator", "GrowingDiscriminator", "ThreeDGPDiscriminator"]
