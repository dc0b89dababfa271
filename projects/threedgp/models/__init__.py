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
from .generator import CameraBatch, GeneratorInput, GeneratorOutput, Mixing, ThreeDGPGenerator
from .losses import KnowledgeDistillationLoss, R1Regularizer, ThreeDGPAdversarialLoss
from .patch_sampler import PatchSampler
from .sampling import Sampling
from .scene import Radiance, Scene, Upsampled, Upsampler, Views
from .style_mixing import StyleMixing
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
    "Mixing",
    "PatchSampler",
    "R1Regularizer",
    "Radiance",
    "Sampling",
    "Scene",
    "StyleMixing",
    "ThreeDGPAdversarialLoss",
    "ThreeDGPDiscriminator",
    "ThreeDGPGenerator",
    "TimmTeacher",
    "TriPlaneField",
    "Upsampled",
    "Upsampler",
    "Views",
    "VolumeRenderer",
]
