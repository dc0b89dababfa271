"""Metrics."""

from .local_fid import LocalFID
from .local_inception_score import LocalInceptionScore
from .non_flatness import NonFlatnessScore, depth_histograms, non_flatness_score

__all__ = [
    "LocalFID",
    "LocalInceptionScore",
    "NonFlatnessScore",
    "depth_histograms",
    "non_flatness_score",
]
