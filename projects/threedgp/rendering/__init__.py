"""Pure functions from cameras and fields to images: cameras, rays, tri-planes, patches, marching."""

from .cameras import CAMERA_FIELDS, PITCH_MARGIN, Camera, Viewpoint, camera_to_world, pixel_rays
from .patches import Patch, extract_patches, patch_positions
from .reprojection import look_up, project, unproject, warp
from .triplane import sample_planes
from .volume_rendering import Field, RayDraws, RayMarching, RenderOutput, render_rays

__all__ = [
    "CAMERA_FIELDS",
    "PITCH_MARGIN",
    "Camera",
    "Field",
    "Patch",
    "RayDraws",
    "RayMarching",
    "RenderOutput",
    "Viewpoint",
    "camera_to_world",
    "extract_patches",
    "look_up",
    "patch_positions",
    "pixel_rays",
    "project",
    "render_rays",
    "sample_planes",
    "unproject",
    "warp",
]
