"""Transforms for images, depth maps and cameras, beside the toolkit's own."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import cv2
import numpy as np
import torch
from jaxtyping import Float
from mmagic.registry import TRANSFORMS
from mmcv.transforms import BaseTransform
from mmengine.logging import print_log
from torch import Tensor

from .images import BadImageError, read_depth, read_image, shown
from .squares import central_square, depth_square, image_square

# What the toolkit's LoadImageFromFile may say and LoadImage does as well.
TOOLKIT_LOADER = "LoadImageFromFile"
CHANNEL_ORDERS = ("bgr", "rgb")

# (yaw, pitch, roll, fov, radius, look-at yaw, look-at pitch, look-at radius) in a mirror x -> -x.
MIRRORED_SIGNS = (-1.0, 1.0, -1.0, 1.0, 1.0, -1.0, 1.0, 1.0)


def mirror_camera(camera: Float[Tensor, "*batch 8"]) -> Float[Tensor, "*batch 8"]:
    """The camera that sees the horizontally flipped picture of the mirrored (x -> -x) scene.

    Args:
        camera: (yaw, pitch, roll; fov; radius; look-at yaw, pitch, radius), radians and degrees.
    """
    return camera * torch.tensor(MIRRORED_SIGNS, dtype=camera.dtype, device=camera.device)


def build_step(step: dict[str, Any] | Callable) -> Callable:
    """A step of a pipeline from its config; a callable stays what it is.

    The toolkit's loader of images follows other rules than preparation does (it ignores transparency and
    profiles), so that :class:`LoadImage` takes its place, unless it is asked for what that cannot do.
    """
    if not isinstance(step, dict):
        return step
    if step.get("type") == TOOLKIT_LOADER:
        if set(step) <= {"type", "key", "channel_order"}:
            step = {**step, "type": "LoadImage"}
        else:
            text = f"{TOOLKIT_LOADER} reads other pixels than preparation does; LoadImage reads the same"
            print_log(text, logger="current", level=logging.WARNING)
    return TRANSFORMS.build(step)


@TRANSFORMS.register_module()
class LoadImage(BaseTransform):
    """Load ``<key>_path`` as ``<key>`` (h, w, 3), uint8, by the rules of :func:`read_image`.

    It stands in the place of the toolkit's ``LoadImageFromFile`` and leaves the same records.

    Args:
        key: Where the image goes.
        channel_order: 'bgr', which the toolkit's preprocessor and metrics expect, or 'rgb'.

    Raises:
        ValueError: If the order is another, or, when called, the file is not a whole image.
    """

    def __init__(self, key: str = "gt", channel_order: str = "bgr") -> None:
        if channel_order not in CHANNEL_ORDERS:
            raise ValueError(f"channel_order={channel_order!r}: wanted one of {CHANNEL_ORDERS}")
        self.key, self.channel_order = key, channel_order

    def transform(self, results: dict[str, Any]) -> dict[str, Any]:
        """Add the image, its shape and its channel order."""
        path = results[f"{self.key}_path"]
        try:
            image = read_image(path)
        except BadImageError as error:
            raise BadImageError(f"image {shown(path)} {error}") from error
        in_bgr = self.channel_order == "bgr"
        image = np.asarray(cv2.cvtColor(image, cv2.COLOR_RGB2BGR)) if in_bgr else image.copy()
        results[self.key] = image
        results[f"ori_{self.key}_shape"] = image.shape
        results[f"{self.key}_channel_order"] = self.channel_order
        results[f"{self.key}_color_type"] = "color"
        return results

    def __repr__(self) -> str:
        return f"{type(self).__name__}(key={self.key!r}, channel_order={self.channel_order!r})"


@TRANSFORMS.register_module()
class LoadDepth(BaseTransform):
    """Load ``depth_path`` as ``depth`` (h, w, 1), float32 in [-1, 1); do nothing without a path.

    Args:
        image_key: Key of the loaded image whose height and width the depth map must have.

    Raises:
        ValueError: If the map is not readable or its size differs from the image's.
    """

    def __init__(self, image_key: str = "gt") -> None:
        self.image_key = image_key

    def transform(self, results: dict[str, Any]) -> dict[str, Any]:
        """Add ``depth`` to a sample that has a ``depth_path``."""
        if "depth_path" not in results:
            return results
        depth = read_depth(results["depth_path"])
        self._check_size(depth, results)
        results["depth"] = depth
        results["ori_depth_shape"] = depth.shape
        return results

    def _check_size(self, depth: np.ndarray, results: dict[str, Any]) -> None:
        image = results.get(self.image_key)
        if image is None or image.shape[:2] == depth.shape[:2]:
            return
        (height, width), (image_height, image_width) = depth.shape[:2], image.shape[:2]
        raise ValueError(
            f"depth map {shown(results['depth_path'])} is {width}x{height} pixels, its image "
            f"{shown(results.get(self.image_key + '_path'))} is {image_width}x{image_height}; "
            "wanted equal sizes"
        )

    def __repr__(self) -> str:
        return f"{type(self).__name__}(image_key={self.image_key!r})"


@TRANSFORMS.register_module()
class OnPresentKeys(BaseTransform):
    """Apply a transform to those of its keys that a sample has.

    The toolkit's crop and flip raise when one of their keys is missing. Wrapped in this, one
    pipeline serves datasets with and without depth.

    Args:
        transform: Config of a transform with an argument ``keys``, a list.
    """

    def __init__(self, transform: dict[str, Any]) -> None:
        self.config = dict(transform)
        self.keys = tuple(self.config["keys"])
        self._built: dict[tuple[str, ...], BaseTransform] = {}
        self._with_keys(self.keys)

    def _with_keys(self, keys: tuple[str, ...]) -> BaseTransform:
        if keys not in self._built:
            self._built[keys] = TRANSFORMS.build({**self.config, "keys": list(keys)})
        return self._built[keys]

    def transform(self, results: dict[str, Any]) -> dict[str, Any]:
        """Transform what the sample has."""
        present = tuple(key for key in self.keys if key in results)
        return self._with_keys(present)(results) if present else results

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._with_keys(self.keys)!r})"


@TRANSFORMS.register_module()
class FitSquare(BaseTransform):
    """Crop the central square of image and depth, and resize it to the dataset's ``resolution``.

    Args:
        image_key: Key of the image, resized with Lanczos' filter.
        depth_key: Key of the depth map, if there is one, averaged over pixel areas.
    """

    def __init__(self, image_key: str = "gt", depth_key: str = "depth") -> None:
        self.image_key, self.depth_key = image_key, depth_key

    def transform(self, results: dict[str, Any]) -> dict[str, Any]:
        """Crop and resize; a sample without ``resolution`` keeps the size of its crop."""
        side = results.get("resolution")
        for key, fit in ((self.image_key, image_square), (self.depth_key, depth_square)):
            if key in results:
                picture = results[key]
                results[key] = central_square(picture) if side is None else fit(picture, side)
        return results

    def __repr__(self) -> str:
        return f"{type(self).__name__}(image_key={self.image_key!r}, depth_key={self.depth_key!r})"


@TRANSFORMS.register_module()
class MirrorCamera(BaseTransform):
    """Mirror the ``camera`` of a sample whose image was flipped horizontally.

    Belongs after ``Flip``, whose record (``flip_infos``) it follows; does nothing if the sample
    has no camera.

    Args:
        image_key: Key of the image whose flips count.
    """

    def __init__(self, image_key: str = "gt") -> None:
        self.image_key = image_key

    def transform(self, results: dict[str, Any]) -> dict[str, Any]:
        """Mirror the camera if the image was."""
        if "camera" in results and self._is_mirrored(results.get("flip_infos", [])):
            results["camera"] = mirror_camera(results["camera"])
        return results

    def _is_mirrored(self, flips: list[dict[str, Any]]) -> bool:
        turns = sum(
            flip["flip"] and flip["direction"] == "horizontal" and self.image_key in flip["keys"]
            for flip in flips
        )
        return turns % 2 == 1

    def __repr__(self) -> str:
        return f"{type(self).__name__}(image_key={self.image_key!r})"
