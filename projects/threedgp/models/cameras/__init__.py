"""Where cameras are drawn from, what is learned of it, and what keeps that from collapse."""

from .camera_generator import CameraGenerator
from .camera_prior import CameraPrior
from .camera_regularizers import CameraEMDRegularizer, CameraMeanRegularizer, CameraSlopeRegularizer

__all__ = [
    "CameraEMDRegularizer",
    "CameraGenerator",
    "CameraMeanRegularizer",
    "CameraPrior",
    "CameraSlopeRegularizer",
]
