"""Pure functions from cameras and fields to images: cameras, rays, tri-planes, patches, marching."""

from .cameras import CAMERA_FIELDS, PITCH_MARGIN, Camera, Viewpoint, camera_to_world, pixel_rays
from .grids import sample_grid
from .inverse_sphere import inverse_sphere_points
from .layered_rendering import LayeredDraws, render_layers
from .patches import Patch, extract_patches, patch_positions
from .pose_labels import POSE_DIM, PoseLabel
from .reprojection import look_up, project, unproject, warp
from .triplane import mean_of_planes, sample_planes
from .volume_rendering import Field, RayDraws, RayMarching, RenderOutput, march, render_rays, sample_rays

__all__ = [
    "CAMERA_FIELDS",
    "PITCH_MARGIN",
    "POSE_DIM",
    "Camera",
    "Field",
    "LayeredDraws",
    "Patch",
    "PoseLabel",
    "RayDraws",
    "RayMarching",
    "RenderOutput",
    "Viewpoint",
    "camera_to_world",
    "extract_patches",
    "inverse_sphere_points",
    "look_up",
    "march",
    "mean_of_planes",
    "patch_positions",
    "pixel_rays",
    "project",
    "render_layers",
    "render_rays",
    "sample_grid",
    "sample_planes",
    "sample_rays",
    "unproject",
    "warp",
]
