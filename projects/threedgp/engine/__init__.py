"""Loops, hooks and launching."""

from . import checkpoint_loading  # noqa: F401  (what the Runner loads with)
from .camera_histogram_hook import CameraHistogramHook
from .divergence_hook import DivergenceHook
from .evaluation_check_hook import EvaluationCheckHook
from .evaluation_loops import SeededTestLoop, SeededValLoop
from .label_distribution_hook import LabelDistributionHook
from .preemption_hook import PreemptionHook
from .sample_grid_hook import SampleGridHook
from .throughput_hook import ThroughputHook
from .train_loop import KimgTrainLoop
from .whole_checkpoint_hook import WholeCheckpointHook

__all__ = [
    "CameraHistogramHook",
    "DivergenceHook",
    "EvaluationCheckHook",
    "KimgTrainLoop",
    "LabelDistributionHook",
    "PreemptionHook",
    "SampleGridHook",
    "SeededTestLoop",
    "SeededValLoop",
    "ThroughputHook",
    "WholeCheckpointHook",
]
