"""The registered components, and the model that trains them."""

from .adversarial_loss import ThreeDGPAdversarialLoss
from .blur_fade import BlurFade
from .camera_generator import CameraGenerator
from .camera_prior import CameraPrior
from .camera_regularizers import (
    CameraEMDRegularizer,
    CameraMeanRegularizer,
    CameraSlopeRegularizer,
)
from .depth_adaptor import DepthAdaptor
from .discriminator import ThreeDGPDiscriminator
from .distillation import KnowledgeDistillationLoss
from .distilled_discriminator import DistilledDiscriminator
from .ema import ImagesSeenEMA
from .generator import CameraBatch, GeneratorOutput, Sampling, ThreeDGPGenerator, Views
from .patch_sampler import PatchSampler
from .r1_regularizer import R1Regularizer
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
    "ImagesSeenEMA",
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
