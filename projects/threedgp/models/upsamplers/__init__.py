"""Upsamplers: rendered features to images."""

from .style_nerf_upsampler import StyleNeRFUpsampler

__all__ = ["StyleNeRFUpsampler"]
