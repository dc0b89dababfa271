"""Metrics."""

from .camera_distance import CameraDistance, load_cameras
from .checks import Checked, check_evaluation, counts_of
from .depth_accuracy import DepthAccuracy, draw_pairs, ordinal_error, scale_shift_invariant_rmse
from .intra_class_diversity import IntraClassDiversity
from .local_fid import LocalFID
from .local_inception_score import LocalInceptionScore
from .local_kid import LocalKID, kernel_inception_distance, squared_mmd
from .local_precision_recall import LocalPrecisionRecall, precision_recall
from .multi_view_consistency import MultiViewConsistency, view_errors
from .non_flatness import NonFlatnessScore, depth_histograms, non_flatness_score
from .seeded_evaluator import SeededEvaluator

__all__ = [
    "CameraDistance",
    "Checked",
    "DepthAccuracy",
    "IntraClassDiversity",
    "LocalFID",
    "LocalInceptionScore",
    "LocalKID",
    "LocalPrecisionRecall",
    "MultiViewConsistency",
    "NonFlatnessScore",
    "SeededEvaluator",
    "check_evaluation",
    "counts_of",
    "depth_histograms",
    "draw_pairs",
    "kernel_inception_distance",
    "load_cameras",
    "non_flatness_score",
    "ordinal_error",
    "precision_recall",
    "scale_shift_invariant_rmse",
    "squared_mmd",
    "view_errors",
]
