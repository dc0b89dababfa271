"""What makes images of rendered features."""

from .pointwise_upsampler import PointwiseUpsampler
from .style_nerf_upsampler import StyleNeRFUpsampler
from .super_resolution import SuperResolution

__all__ = [
    "PointwiseUpsampler",
    "StyleNeRFUpsampler",
    "SuperResolution",
]
