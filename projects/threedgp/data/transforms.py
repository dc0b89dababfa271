"""Transforms for depth maps and cameras, beside the toolkit's own for images."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from jaxtyping import Float
from mmagic.registry import TRANSFORMS
from mmcv.image import imresize
from mmcv.transforms import BaseTransform
from torch import Tensor

DEPTH_LEVELS = 65536.0  # NumPy 1 turns float32 / 65536, an int, into float64
DEPTH_SCALE = {np.dtype(np.uint8): 256, np.dtype(np.uint16): 1}

# (yaw, pitch, roll, fov, radius, look-at yaw, look-at pitch, look-at radius) in a mirror x -> -x.
MIRRORED_SIGNS = (-1.0, 1.0, -1.0, 1.0, 1.0, -1.0, 1.0, 1.0)


def read_depth(path: str | Path) -> Float[np.ndarray, "h w 1"]:
    """Read an 8- or 16-bit depth map as float32 in [-1, 1), larger = farther as stored.

    The first channel v counts; 8-bit values are multiplied by 256, then v / 65536 * 2 - 1.

    Args:
        path: A PNG beside the image.

    Raises:
        ValueError: If the file cannot be decoded or its values are not 8- or 16-bit integers.
    """
    stored = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    if stored is None:
        raise ValueError(f"depth map {path} does not exist or cannot be decoded")
    if stored.dtype not in DEPTH_SCALE:
        raise ValueError(f"depth map {path} has values of {stored.dtype}, wanted uint8 or uint16")
    values = _first_channel(stored).astype(np.float32) * DEPTH_SCALE[stored.dtype]
    return (values / DEPTH_LEVELS * 2 - 1)[..., None]


def _first_channel(stored: np.ndarray) -> np.ndarray:
    # OpenCV hands out BGR(A), so the file's first channel (red) comes third.
    if stored.ndim == 2:
        return stored
    return stored[..., 2 if stored.shape[2] >= 3 else 0]


def mirror_camera(camera: Float[Tensor, "*batch 8"]) -> Float[Tensor, "*batch 8"]:
    """The camera that sees the horizontally flipped picture of the mirrored (x -> -x) scene.

    Args:
        camera: (yaw, pitch, roll; fov; radius; look-at yaw, pitch, radius), radians and degrees.
    """
    return camera * torch.tensor(MIRRORED_SIGNS, dtype=camera.dtype, device=camera.device)


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
            f"depth map {results['depth_path']} is {width}x{height} pixels, its image "
            f"{results.get(self.image_key + '_path')} is {image_width}x{image_height}; "
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
        crop = dict(type="CenterCropLongEdge", keys=[image_key, depth_key])
        self.crop = OnPresentKeys(crop)

    def transform(self, results: dict[str, Any]) -> dict[str, Any]:
        """Crop and resize; a sample without ``resolution`` keeps the size of its crop."""
        results = self.crop(results)
        side = results.get("resolution")
        if side is None:
            return results
        image = results[self.image_key]
        results[self.image_key] = imresize(image, (side, side), False, "lanczos", backend="pillow")
        if self.depth_key in results:
            depth = imresize(results[self.depth_key], (side, side), False, "area", backend="cv2")
            results[self.depth_key] = depth.reshape(side, side, 1)
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
