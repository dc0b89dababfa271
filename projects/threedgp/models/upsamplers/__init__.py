"""What makes images of rendered features."""

from .super_resolution import SuperResolution

__all__ = ["SuperResolution"]
