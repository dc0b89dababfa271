"""Training and sampling: what subclasses the toolkit's models."""

from .distilled_stylegan2 import DistilledStyleGAN2
from .ema import ImagesSeenEMA
from .threedgp import ThreeDGP

__all__ = ["DistilledStyleGAN2", "ImagesSeenEMA", "ThreeDGP"]
