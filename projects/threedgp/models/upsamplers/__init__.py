"""What makes images of rendered features."""

from .pointwise_upsampler import PointwiseUpsampler

__all__ = ["PointwiseUpsampler"]
