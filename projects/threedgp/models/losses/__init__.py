"""Losses."""

from .adversarial_loss import ThreeDGPAdversarialLoss
from .distillation import KnowledgeDistillationLoss
from .r1_regularizer import R1Regularizer

__all__ = ["KnowledgeDistillationLoss", "R1Regularizer", "ThreeDGPAdversarialLoss"]
