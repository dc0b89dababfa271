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
from .generator import CameraBatch, GeneratorOutput, Sampling, ThreeDGPGenerator, Views
from .losses import KnowledgeDistillationLoss, R1Regularizer, ThreeDGPAdversarialLoss
from .patch_sampler import PatchSampler
from .teacher import TimmTeacher

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
    "GeneratorOutput",
    "KnowledgeDistillationLoss",
    "PatchSampler",
    "R1Regularizer",
    "Sampling",
    "ThreeDGPAdversarialLoss",
    "ThreeDGPDiscriminator",
    "ThreeDGPGenerator",
    "TimmTeacher",
    "Views",
]
