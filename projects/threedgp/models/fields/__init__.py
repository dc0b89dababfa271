"""What is rendered: radiance fields."""

from .feature_volume_field import FeatureVolumeField
from .triplane_decoder import TriPlaneDecoder
from .triplane_field import TriPlaneField, TriPlaneMLP, TriPlanes

__all__ = ["FeatureVolumeField", "TriPlaneDecoder", "TriPlaneField", "TriPlaneMLP", "TriPlanes"]
