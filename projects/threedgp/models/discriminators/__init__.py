"""Discriminators."""

from .discriminator import ThreeDGPDiscriminator
from .distilled_discriminator import DistilledDiscriminator
from .dual_discriminator import ThreeDGPDualDiscriminator

__all__ = ["DistilledDiscriminator", "ThreeDGPDiscriminator", "ThreeDGPDualDiscriminator"]
