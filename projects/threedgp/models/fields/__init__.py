"""What is rendered: radiance fields."""

from .feature_volume_field import FeatureVolumeField
from .implicit_field import BackgroundMLP, ForegroundMLP, ImplicitField, ImplicitRadiance
from .triplane_decoder import TriPlaneDecoder
from .triplane_field import TriPlaneField, TriPlaneMLP, TriPlanes

__all__ = [
    "BackgroundMLP",
    "FeatureVolumeField",
    "ForegroundMLP",
    "ImplicitField",
    "ImplicitRadiance",
    "TriPlaneDecoder",
    "TriPlaneField",
    "TriPlaneMLP",
    "TriPlanes",
]
