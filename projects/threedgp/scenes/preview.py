"""A contact sheet: images over exact depth over the depth stored beside the images."""

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

TILE = 128
GAP = 4
HEADER = 20
COLUMNS = 8
MAX_BLOCKS = 2
INK = (60, 60, 60)


def contact_sheet(folder: Path, images: Sequence[str]) -> NDArray[np.uint8]:
    """Draw the first images of a data set with their depth, near bright and far dark.

    Args:
        folder: The data set's folder.
        images: Image paths relative to ``folder / "train"``.

    Returns:
        The sheet (height, width, 3) in OpenCV's channel order.
    """
    shown = images[: COLUMNS * MAX_BLOCKS]
    blocks = [_block(folder, shown[i : i + COLUMNS]) for i in range(0, len(shown), COLUMNS)]
    return np.vstack(blocks)


def _block(folder: Path, images: Sequence[str]) -> NDArray[np.uint8]:
    """Draw one row of images and their depth, under the names of their classes."""
    # Not at the top: the processes that render would load the toolkit for it.
    from ..data.images import read_depth_levels, read_image

    pitch = TILE + GAP
    sheet = np.full((HEADER + 3 * pitch, COLUMNS * pitch + GAP, 3), 255, np.uint8)
    for column, image in enumerate(images):
        left = GAP + column * pitch
        name = image.split("/", maxsplit=1)[0].replace("_", " ")
        where = (left + 2, HEADER - 6)
        cv2.putText(sheet, name, where, cv2.FONT_HERSHEY_SIMPLEX, 0.42, INK, 1, cv2.LINE_AA)
        depth = image.replace(".png", "_depth.png")
        tiles = [
            _fit(read_image(folder / "train" / image)[..., ::-1]),
            _depth_tile(read_depth_levels(folder / "exact_depth" / depth)),
            _depth_tile(read_depth_levels(folder / "train" / depth)),
        ]
        for row, tile in enumerate(tiles):
            top = HEADER + row * pitch
            sheet[top : top + TILE, left : left + TILE] = tile
    return sheet


def _depth_tile(depth: NDArray) -> NDArray[np.uint8]:
    tile = _fit((255 - depth // 257).astype(np.uint8))
    return np.asarray(cv2.applyColorMap(tile, cv2.COLORMAP_INFERNO), dtype=np.uint8)


def _fit(image: NDArray) -> NDArray[np.uint8]:
    method = cv2.INTER_AREA if len(image) > TILE else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(image, (TILE, TILE), interpolation=method), dtype=np.uint8)
