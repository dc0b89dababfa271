"""Video files that any player opens."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import imageio.v2 as imageio
import numpy as np
from jaxtyping import UInt8

from ..whole_files import whole_file


def pad_to_even(frame: UInt8[np.ndarray, "h w 3"]) -> UInt8[np.ndarray, "even_h even_w 3"]:
    """Repeat the last row and column where the sides are odd, which yuv420p cannot hold."""
    height, width = frame.shape[:2]
    return np.pad(frame, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge")


def write_video(path: str | Path, frames: Iterable[np.ndarray], fps: float = 30) -> Path:
    """Write frames as H.264 (yuv420p) in mp4, one at a time, through a temporary file.

    Args:
        path: Where to; the folder is made if it is missing.
        frames: RGB bytes (h, w, 3), all of one size.
        fps: Frames per second.

    Returns:
        The path.

    Raises:
        ValueError: If there are no frames.
    """
    path, count = Path(path), 0
    with whole_file(path) as passing:
        # A macro block of 1 keeps imageio from stretching frames to multiples of 16.
        writer: Any = imageio.get_writer(
            passing,
            format="FFMPEG",
            fps=fps,
            codec="libx264",
            pixelformat="yuv420p",
            quality=8,
            macro_block_size=1,
        )
        with writer:
            for frame in frames:
                writer.append_data(pad_to_even(frame))
                count += 1
        if not count:
            raise ValueError("frames: got none, wanted at least 1")
    return path
