"""The registered components that a model is made of."""

from .augmentation import AdaptiveAugmentation
from .blur_fade import BlurFade
from .cameras import (
    CameraEMDRegularizer,
    CameraGenerator,
    CameraMeanRegularizer,
    CameraPrior,
    CameraSlopeRegularizer,
)
from .depth_adaptor import DepthAdaptor
from .discriminators import (
    DistilledDiscriminator,
    GrowingDiscriminator,
    ThreeDGPDiscriminator,
    ThreeDGPDualDiscriminator,
)
from .fields import FeatureVolumeField, TriPlaneField
from .generator import CameraBatch, GeneratorInput, GeneratorOutput, Mixing, ThreeDGPGenerator
from .losses import (
    DensityRegularizer,
    KnowledgeDistillationLoss,
    PathLengthRegularizer,
    R1Regularizer,
    ThreeDGPAdversarialLoss,
)
from .patch_sampler import PatchSampler
from .pose_swap import PoseSwap
from .sampling import Sampling
from .scene import Radiance, Scene, Upsampled, Upsampler, Views
from .style_mixing import StyleMixing
from .teacher import TimmTeacher
from .upsamplers import PointwiseUpsampler, SuperResolution
from .volume_renderer import VolumeRenderer

__all__ = [
    "AdaptiveAugmentation",
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
    "FeatureVolumeField",
    "GeneratorInput",
    "GeneratorOutput",
    "GrowingDiscriminator",
    "KnowledgeDistillationLoss",
    "Mixing",
    "PatchSampler",
    "PathLengthRegularizer",
    "PointwiseUpsampler",
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
