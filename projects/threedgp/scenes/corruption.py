"""Depth as a monocular estimator would see it: right in order, wrong in scale, edges and detail."""

import cv2
import numpy as np
from numpy.typing import NDArray

from .settings import ToySettings

Array = NDArray[np.float64]
CORRUPTION_STREAM = 2
MAX_VALUE = 65535


def encode_depth(depth: NDArray, settings: ToySettings) -> NDArray[np.uint16]:
    """Return exact depth as 16-bit values: near is 0, far is 65535.

    Args:
        depth: Distances (n, n) along the unit rays, clipped to [near, far].
        settings: Provides near and far.
    """
    share = (depth.astype(np.float64) - settings.near) / (settings.far - settings.near)
    return np.round(np.clip(share, 0, 1) * MAX_VALUE).astype(np.uint16)


def decode_depth(values: NDArray[np.uint16], settings: ToySettings) -> Array:
    """Return the depth (n, n) that ``encode_depth`` was given, to half a step of its 65535."""
    return settings.near + values / MAX_VALUE * (settings.far - settings.near)


def corrupt_depth(depth: NDArray, seed: int, index: int, settings: ToySettings) -> NDArray[np.uint16]:
    """Imitates the output of a monocular depth estimator; larger is farther.

    Scale and shift are lost because the result fills the 16-bit range of every image, give or take
    a random small fraction of pixels that saturates at either end.

    Args:
        depth: Exact distances (n, n), clipped to [near, far].
        seed: Seed of the data set.
        index: Number of the image.
        settings: Provides near, far, the rate of plane-like failures and the size of the other errors.
    """
    k = settings.inexactness
    rng = np.random.default_rng([seed, index, CORRUPTION_STREAM])
    fails = rng.random() < settings.failure_rate
    share = (depth.astype(np.float64) - settings.near) / (settings.far - settings.near)
    value = share ** np.exp(k * rng.uniform(-0.5, 0.5))
    value = _bend(value, k, rng)
    # OpenCV refuses a width of 0.
    value = cv2.GaussianBlur(value, (0, 0), max(k * rng.uniform(0.006, 0.022) * len(value), 1e-3))
    value = value + k * rng.uniform(0.02, 0.1) * _smooth_field(len(value), rng)
    plane = _plane(len(value), rng)
    if fails:
        value = plane + 0.1 * value
    low, high = np.percentile(value, [rng.uniform(0, 2), rng.uniform(98, 100)])
    value = np.clip((value - low) / max(high - low, 1e-6), 0, 1)
    return np.round(value * MAX_VALUE).astype(np.uint16)


def _bend(image: Array, strength: float, rng: np.random.Generator) -> Array:
    """Move image content by up to about 2 percent of the side times ``strength``, smoothly."""
    side = len(image)
    grid = np.arange(side, dtype=np.float64)
    reach = strength * rng.uniform(0.0, 0.02) * side
    x = grid[None, :] + reach * _smooth_field(side, rng)
    y = grid[:, None] + reach * _smooth_field(side, rng)
    x, y = x.astype(np.float32), y.astype(np.float32)
    bent = cv2.remap(image, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(bent, dtype=np.float64)


def _smooth_field(side: int, rng: np.random.Generator) -> Array:
    """Return a low-frequency field (side, side) with values around [-1, 1]."""
    field = cv2.resize(rng.uniform(-1, 1, (4, 4)), (side, side), interpolation=cv2.INTER_CUBIC)
    return np.asarray(field, dtype=np.float64)


def _plane(side: int, rng: np.random.Generator) -> Array:
    """Return a plane (side, side) that recedes upwards, tilted a little to one side."""
    position = np.linspace(0, 1, side)
    return rng.uniform(0.6, 1.0) * position[::-1, None] + rng.uniform(-0.3, 0.3) * position
