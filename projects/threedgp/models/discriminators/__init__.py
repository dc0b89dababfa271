"""Discriminators."""

from .discriminator import ThreeDGPDiscriminator
from .distilled_discriminator import DistilledDiscriminator

__all__ = ["DistilledDiscriminator", "ThreeDGPDiscriminator"]
