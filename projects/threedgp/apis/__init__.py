"""What a user calls: load a trained model, and render images, orbits and interpolations."""

from .galleries import Gallery
from .inferencer import ThreeDGPInferencer
from .renderings import Rendering, RenderOptions
from .trajectories import TRAJECTORIES, make_trajectory
from .videos import write_video

__all__ = [
    "TRAJECTORIES",
    "Gallery",
    "RenderOptions",
    "Rendering",
    "ThreeDGPInferencer",
    "make_trajectory",
    "write_video",
]
