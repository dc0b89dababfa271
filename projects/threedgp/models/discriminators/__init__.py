"""Discriminators."""

from .discriminator import ThreeDGPDiscriminator
from .distilled_discriminator import DistilledDiscriminator
from .dual_discriminator import ThreeDGPDualDiscriminator
from .growing_discriminator import GrowingDiscriminator

__all__ = [
    "DistilledDiscriminator",
    "GrowingDiscriminator",
    "ThreeDGPDiscriminator",
    "ThreeDGPDualDiscriminator",
]
