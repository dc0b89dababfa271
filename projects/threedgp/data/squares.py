"""Central squares of images and depth maps, the one crop and resize of training and preparation."""

from __future__ import annotations

import cv2
import numpy as np
from jaxtyping import Float, Shaped, UInt8
from PIL import Image


def central_square(picture: Shaped[np.ndarray, "h w c"]) -> Shaped[np.ndarray, "s s c"]:
    """The largest square in the middle of a picture, a view of it."""
    height, width = picture.shape[:2]
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    return picture[top : top + side, left : left + side]


def image_square(image: UInt8[np.ndarray, "h w 3"], side: int) -> UInt8[np.ndarray, "{side} {side} 3"]:
    """The central square of an image, resized with Lanczos' filter."""
    square = Image.fromarray(np.ascontiguousarray(central_square(image)))
    return np.array(square.resize((side, side), Image.Resampling.LANCZOS))


def depth_square(depth: Float[np.ndarray, "h w 1"], side: int) -> Float[np.ndarray, "{side} {side} 1"]:
    """The central square of a depth map, averaged over pixel areas."""
    square = np.ascontiguousarray(central_square(depth))
    return cv2.resize(square, (side, side), interpolation=cv2.INTER_AREA).reshape(side, side, 1)
