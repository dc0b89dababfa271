"""Loops, hooks and launching."""

from .camera_histogram_hook import CameraHistogramHook
from .label_distribution_hook import LabelDistributionHook
from .sample_grid_hook import SampleGridHook
from .throughput_hook import ThroughputHook
from .train_loop import KimgTrainLoop

__all__ = [
    "CameraHistogramHook",
    "KimgTrainLoop",
    "LabelDistributionHook",
    "SampleGridHook",
    "ThroughputHook",
]
