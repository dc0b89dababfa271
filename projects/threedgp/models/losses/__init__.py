"""Losses."""

from .adversarial_loss import ThreeDGPAdversarialLoss
from .density_regularizer import DensityRegularizer
from .distillation import KnowledgeDistillationLoss
from .generator_term import GeneratorTerm
from .nerf_path_regularizer import NeRFPathRegularizer
from .path_length_regularizer import PathLengthRegularizer
from .r1_regularizer import R1Regularizer

__all__ = [
    "DensityRegularizer",
    "GeneratorTerm",
    "KnowledgeDistillationLoss",
    "NeRFPathRegularizer",
    "PathLengthRegularizer",
    "R1Regularizer",
    "ThreeDGPAdversarialLoss",
]
