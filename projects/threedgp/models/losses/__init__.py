"""Losses."""

from .adversarial_loss import ThreeDGPAdversarialLoss
from .density_regularizer import DensityRegularizer
from .distillation import KnowledgeDistillationLoss
from .generator_term import GeneratorTerm
from .r1_regularizer import R1Regularizer

__all__ = [
    "DensityRegularizer",
    "GeneratorTerm",
    "KnowledgeDistillationLoss",
    "R1Regularizer",
    "ThreeDGPAdversarialLoss",
]
