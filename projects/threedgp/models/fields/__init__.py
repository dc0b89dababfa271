"""What is rendered: radiance fields."""

from .triplane_decoder import TriPlaneDecoder

__all__ = ["TriPlaneDecoder"]
