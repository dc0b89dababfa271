"""What makes images of rendered features."""

from .pointwise_upsampler import PointwiseUpsampler
from .super_resolution import SuperResolution

__all__ = [
    "PointwiseUpsampler",
    "SuperResolution",
]
