"""What is rendered: radiance fields."""

from .implicit_field import BackgroundMLP, ForegroundMLP, ImplicitField, ImplicitRadiance
from .triplane_decoder import TriPlaneDecoder
from .triplane_field import TriPlaneField, TriPlaneMLP, TriPlanes

__all__ = [
    "BackgroundMLP",
    "ForegroundMLP",
    "ImplicitField",
    "ImplicitRadiance",
    "TriPlaneDecoder",
    "TriPlaneField",
    "TriPlaneMLP",
    "TriPlanes",
]
