"""Ray-traced toy scenes with exact cameras and depth.

``render_scene(seed, index, resolution, camera)`` renders any image of a data set from any camera.
"""

from .cameras import camera_rays, camera_to_world, sample_camera
from .controlled import CONTROLLED
from .corruption import corrupt_depth, encode_depth
from .dataset import DEPTH_KINDS, ToyDataset, write_dataset, write_inexact_depth
from .distributions import Distribution, parse_distribution
from .render import RenderedScene, render_scene, trace
from .scenes import CLASSES, Scene, sample_scene
from .settings import ToySettings

__all__ = [
    "CLASSES",
    "CONTROLLED",
    "DEPTH_KINDS",
    "Distribution",
    "RenderedScene",
    "Scene",
    "ToyDataset",
    "ToySettings",
    "camera_rays",
    "camera_to_world",
    "corrupt_depth",
    "encode_depth",
    "parse_distribution",
    "render_scene",
    "sample_camera",
    "sample_scene",
    "trace",
    "write_dataset",
    "write_inexact_depth",
]
