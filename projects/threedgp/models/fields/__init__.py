"""What is rendered: radiance fields."""

from .triplane_decoder import TriPlaneDecoder
from .triplane_field import TriPlaneField, TriPlaneMLP, TriPlanes

__all__ = ["TriPlaneDecoder", "TriPlaneField", "TriPlaneMLP", "TriPlanes"]
