"""Discriminators."""

from .discriminator import ThreeDGPDiscriminator
from .distilled_discriminator import DistilledDiscriminator
from .projected_discriminator import ProjectedDiscriminator

__all__ = ["DistilledDiscriminator", "ProjectedDiscriminator", "ThreeDGPDiscriminator"]
