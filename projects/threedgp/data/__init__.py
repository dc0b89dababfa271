"""Datasets, transforms and precomputed tables of 3DGP."""

from .image_depth_dataset import ImageDepthDataset
from .row_table import RowTable
from .transforms import FitSquare, LoadDepth, LoadImage, MirrorCamera, OnPresentKeys

__all__ = [
    "FitSquare",
    "ImageDepthDataset",
    "LoadDepth",
    "LoadImage",
    "MirrorCamera",
    "OnPresentKeys",
    "RowTable",
]
