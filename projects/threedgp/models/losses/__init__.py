"""Losses."""

from .adversarial_loss import ThreeDGPAdversarialLoss
from .distillation import KnowledgeDistillationLoss
from .generator_term import GeneratorTerm
from .r1_regularizer import R1Regularizer

__all__ = ["GeneratorTerm", "KnowledgeDistillationLoss", "R1Regularizer", "ThreeDGPAdversarialLoss"]
