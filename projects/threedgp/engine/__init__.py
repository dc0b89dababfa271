"""Loops, hooks and launching."""

from . import checkpoint_loading  # noqa: F401  (mends what the Runner loads with)
from .camera_histogram_hook import CameraHistogramHook
from .evaluation_check_hook import EvaluationCheckHook
from .evaluation_loops import SeededTestLoop, SeededValLoop
from .label_distribution_hook import LabelDistributionHook
from .sample_grid_hook import SampleGridHook
from .throughput_hook import ThroughputHook
from .train_loop import KimgTrainLoop

__all__ = [
    "CameraHistogramHook",
    "EvaluationCheckHook",
    "KimgTrainLoop",
    "LabelDistributionHook",
    "SampleGridHook",
    "SeededTestLoop",
    "SeededValLoop",
    "ThroughputHook",
]
