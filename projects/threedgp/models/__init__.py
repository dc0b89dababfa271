"""The registered components that a model is made of."""

from .blur_fade import BlurFade
from .cameras import (
    CameraEMDRegularizer,
    CameraGenerator,
    CameraMeanRegularizer,
    CameraPrior,
    CameraSlopeRegularizer,
)
from .depth_adaptor import DepthAdaptor
from .discriminators import DistilledDiscriminator, ThreeDGPDiscriminator
from .fields import TriPlaneField
from .generator import CameraBatch, GeneratorInput, GeneratorOutput, ThreeDGPGenerator
from .losses import KnowledgeDistillationLoss, R1Regularizer, ThreeDGPAdversarialLoss
from .patch_sampler import PatchSampler
from .sampling import Sampling
from .scene import Radiance, Scene, Upsampler, Views
from .teacher import TimmTeacher
from .volume_renderer import VolumeRenderer

__all__ = [
    "BlurFade",
    "CameraBatch",
    "CameraEMDRegularizer",
    "CameraGenerator",
    "CameraMeanRegularizer",
    "CameraPrior",
    "CameraSlopeRegularizer",
    "DepthAdaptor",
    "DistilledDiscriminator",
    "GeneratorInput",
    "GeneratorOutput",
    "KnowledgeDistillationLoss",
    "PatchSampler",
    "R1Regularizer",
    "Radiance",
    "Sampling",
    "Scene",
    "ThreeDGPAdversarialLoss",
    "ThreeDGPDiscriminator",
    "ThreeDGPGenerator",
    "TimmTeacher",
    "TriPlaneField",
    "Upsampler",
    "Views",
    "VolumeRenderer",
]
