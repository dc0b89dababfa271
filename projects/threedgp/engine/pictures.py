"""Pictures for people to look at: colour-coded depth, grids, PNG files."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Float, UInt8
from matplotlib import colormaps
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from ..whole_files import whole_file

CAPTION_HEIGHT = 14


def to_bytes(rgb: Float[Tensor, "*n 3 h w"]) -> UInt8[np.ndarray, "*n h w 3"]:
    """RGB in [-1, 1] as 8-bit pictures, clamped and rounded."""
    return ((rgb.detach().cpu() + 1) * 127.5).round().clamp(0, 255).byte().movedim(-3, -1).numpy()


def colorize_depth(
    depth: Float[Tensor, "*n h w"] | Float[np.ndarray, "*n h w"],
    low: float,
    high: float,
    colormap: str = "turbo",
) -> UInt8[np.ndarray, "*n h w 3"]:
    """Depth maps as pictures on a fixed scale; what is not a number becomes black.

    Args:
        depth: Depth in any unit.
        low: Depth of the first colour of the map, and all below.
        high: Depth of the last colour, and all above.
        colormap: Name of a colour map of matplotlib.
    """
    values = depth.detach().cpu().numpy() if isinstance(depth, Tensor) else depth
    scaled = np.clip((values.astype(np.float64) - low) / (high - low), 0, 1)
    return colormaps[colormap](np.ma.masked_invalid(scaled), bytes=True)[..., :3]


def enlarge(picture: UInt8[np.ndarray, "h w 3"], factor: int) -> UInt8[np.ndarray, "big_h big_w 3"]:
    """Show each pixel as a square of ``factor`` pixels."""
    return picture.repeat(factor, axis=0).repeat(factor, axis=1)


def image_grid(
    rows: Sequence[Sequence[UInt8[np.ndarray, "h w 3"]]], gap: int = 2
) -> UInt8[np.ndarray, "grid_h grid_w 3"]:
    """Put pictures of one size side by side, and rows below each other.

    Args:
        rows: Pictures; a row that is shorter than others ends in white.
        gap: White pixels between pictures.

    Raises:
        ValueError: If there is no picture, or they differ in size.
    """
    shapes = {picture.shape for row in rows for picture in row}
    if len(shapes) != 1:
        raise ValueError(f"rows: got pictures of shapes {sorted(shapes)}, wanted one shape")
    height, width, _ = shapes.pop()
    columns = max(len(row) for row in rows)
    size = (len(rows) * (height + gap) - gap, columns * (width + gap) - gap, 3)
    grid = np.full(size, 255, dtype=np.uint8)
    for i, row in enumerate(rows):
        for j, picture in enumerate(row):
            top, left = i * (height + gap), j * (width + gap)
            grid[top : top + height, left : left + width] = picture
    return grid


def captioned(image: UInt8[np.ndarray, "h w 3"], text: str) -> UInt8[np.ndarray, "high w 3"]:
    """Put a line of text above an image; where there is no text, return the image itself."""
    if not text:
        return image
    height, width = image.shape[:2]
    canvas = Image.new("RGB", (width, height + CAPTION_HEIGHT), "black")
    canvas.paste(Image.fromarray(image), (0, CAPTION_HEIGHT))
    font = ImageFont.load_default(CAPTION_HEIGHT - 4)
    ImageDraw.Draw(canvas).text((2, 0), text, fill="white", font=font)
    return np.asarray(canvas)


def save_png(path: str | Path, picture: UInt8[np.ndarray, "h w 3"]) -> None:
    """Write an RGB picture, so that the file is the old one or the new one, never half of it.

    Args:
        path: File to write; its folder is made if it is missing.
        picture: The pixels.
    """
    with whole_file(path) as passing:
        Image.fromarray(picture).save(passing, format="PNG")
