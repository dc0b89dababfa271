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
    SkipDiscriminator,
    ThreeDGPDiscriminator,
    ThreeDGPDualDiscriminator,
)
from .fields import FeatureVolumeField, ImplicitField, TriPlaneField
from .generator import CameraBatch, GeneratorInput, GeneratorOutput, Mixing, ThreeDGPGenerator
from .layered_renderer import LayeredRenderer
from .losses import (
    DensityRegularizer,
    KnowledgeDistillationLoss,
    NeRFPathRegularizer,
    PathLengthRegularizer,
    R1Regularizer,
    ThreeDGPAdversarialLoss,
)
from .patch_sampler import PatchSampler
from .pose_swap import PoseSwap
from .sampling import PathDraws, Sampling
from .scene import Radiance, Scene, Upsampled, Upsampler, Views, ViewTerm
from .style_mixing import StyleMixing
from .teacher import TimmTeacher
from .upsamplers import PointwiseUpsampler, StyleNeRFUpsampler, SuperResolution
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
    "ImplicitField",
    "KnowledgeDistillationLoss",
    "LayeredRenderer",
    "Mixing",
    "NeRFPathRegularizer",
    "PatchSampler",
    "PathDraws",
    "PathLengthRegularizer",
    "PointwiseUpsampler",
    "PoseSwap",
    "R1Regularizer",
    "Radiance",
    "Sampling",
    "Scene",
    "SkipDiscriminator",
    "StyleMixing",
    "StyleNeRFUpsampler",
    "SuperResolution",
    "ThreeDGPAdversarialLoss",
    "ThreeDGPDiscriminator",
    "ThreeDGPDualDiscriminator",
    "ThreeDGPGenerator",
    "TimmTeacher",
    "TriPlaneField",
    "Upsampled",
    "Upsampler",
    "ViewTerm",
    "Views",
    "VolumeRenderer",
]
