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
from .discriminators import DistilledDiscriminator, ThreeDGPDiscriminator, ThreeDGPDualDiscriminator
from .fields import TriPlaneField
from .generator import CameraBatch, GeneratorInput, GeneratorOutput, Mixing, ThreeDGPGenerator
from .losses import DensityRegularizer, KnowledgeDistillationLoss, R1Regularizer, ThreeDGPAdversarialLoss
from .patch_sampler import PatchSampler
from .pose_swap import PoseSwap
from .sampling import Sampling
from .scene import Radiance, Scene, Upsampled, Upsampler, Views
from .style_mixing import StyleMixing
from .teacher import TimmTeacher
from .upsamplers import SuperResolution
from .volume_renderer import VolumeRenderer

__all__ = [
    "BlurFade",
    "CameraBatch",
    "CameraEMDRegularizer",
    "CameraGenerator",
    "CameraMeanRegularizer",
    "CameraPrior",
    "CameraSlopeRegularizer",
    "DensityRegularizer",
    "DepthAdaptor",
    "DistilledDiscriminator",
    "GeneratorInput",
    "GeneratorOutput",
    "KnowledgeDistillationLoss",
    "Mixing",
    "PatchSampler",
    "PoseSwap",
    "R1Regularizer",
    "Radiance",
    "Sampling",
    "Scene",
    "StyleMixing",
    "SuperResolution",
    "ThreeDGPAdversarialLoss",
    "ThreeDGPDiscriminator",
    "ThreeDGPDualDiscriminator",
    "ThreeDGPGenerator",
    "TimmTeacher",
    "TriPlaneField",
    "Upsampled",
    "Upsampler",
    "Views",
    "VolumeRenderer",
]
