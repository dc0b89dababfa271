"""Training and sampling: what subclasses the toolkit's models."""

from .distilled_stylegan2 import DistilledStyleGAN2
from .ema import ImagesSeenEMA
from .flat_labels import FlatLabelPreprocessor
from .labelled_adm import LabelledADM
from .threedgp import ThreeDGP

__all__ = ["DistilledStyleGAN2", "FlatLabelPreprocessor", "ImagesSeenEMA", "LabelledADM", "ThreeDGP"]
