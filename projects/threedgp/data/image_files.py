"""Finding image files and telling whether they are whole, without decoding them."""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, TypeVar

import cv2
import numpy as np
from PIL import Image

IMAGE_EXTENSIONS = (".jpg", ".jpeg", ".png", ".webp", ".bmp")
IMAGE_FORMATS = ("JPEG", "MPO", "PNG", "WEBP", "BMP")
DEPTH_SUFFIX = "_depth.png"

PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
PNG_END = b"IEND\xaeB`\x82"
JPEG_END = b"\xff\xd9"
PADDING = b"\0\r\n "
TAIL_BYTES = 4096
OPENCV_5_TURNS = ("WEBP",) if int(cv2.__version__.split(".")[0]) >= 5 else ()
EXIF_ORIENTATION = 0x0112
EXIF_QUARTER_TURNS = (5, 6, 7, 8)

T = TypeVar("T")


class BadImageError(ValueError):
    """A file is not a whole, readable image. The message does not repeat the file name."""


@dataclass(frozen=True)
class ImageHeader:
    """What the first bytes of an image file tell.

    Attributes:
        format: PIL's name, taken from the content ('PNG', 'JPEG', ...), not from the extension.
        width: In pixels, after the file's EXIF orientation where OpenCV obeys it.
        height: As `width`.
    """

    format: str
    width: int
    height: int

    @property
    def size(self) -> tuple[int, int]:
        """(width, height) in pixels."""
        return self.width, self.height


def list_images(root: str | Path, depth_suffix: str = DEPTH_SUFFIX) -> list[str]:
    """Sorted paths, relative to `root` and with forward slashes, of all images at any depth.

    Depth maps (names that end in `depth_suffix`) and hidden files and folders are left out;
    symbolic links are followed.
    """
    return sorted(_walk_images(str(root), "", depth_suffix.lower()))


def _walk_images(folder: str, prefix: str, depth_suffix: str) -> Iterator[str]:
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.name.startswith("."):
                continue
            if entry.is_dir():
                yield from _walk_images(entry.path, f"{prefix}{entry.name}/", depth_suffix)
            elif _is_image_name(entry.name.lower(), depth_suffix):
                yield prefix + entry.name


def _is_image_name(name: str, depth_suffix: str) -> bool:
    return name.endswith(IMAGE_EXTENSIONS) and not name.endswith(depth_suffix)


def evenly_spaced(items: Sequence[T], count: int | None) -> list[T]:
    """`count` of the items at equal distances, in order; all of them if `count` is None."""
    if count is None or count >= len(items):
        return list(items)
    picks = np.arange(count) * len(items) // count
    return [items[int(i)] for i in picks]


def check_image(path: str | Path) -> ImageHeader:
    """Read the header and look for the end marker of an image.

    A file whose end marker is not where it should be gets decoded, which settles the matter.

    Raises:
        BadImageError: If the file is missing, is no image or is not complete.
    """
    try:
        with open(path, "rb") as file:
            header = _read_header(file)
            complete = _has_end_marker(file, header.format)
        if not complete:
            _decode(path)
    except FileNotFoundError:
        raise BadImageError("does not exist") from None
    except Exception as error:  # PIL raises OSError, SyntaxError, ValueError, struct.error, ...
        raise BadImageError(f"is not readable ({error})") from error
    return header


def check_decodes(path: str | Path) -> None:
    """Decode the whole image, as PIL does (strictly) and as OpenCV does (for training).

    Raises:
        BadImageError: If either fails.
    """
    try:
        _decode(path)
    except Exception as error:
        raise BadImageError(f"is not readable ({error})") from error
    if cv2.imread(str(path), cv2.IMREAD_COLOR) is None:
        raise BadImageError("is not readable (OpenCV cannot decode it)")


def _read_header(file: BinaryIO) -> ImageHeader:
    start = file.read(24)
    # Depth maps are PNGs, so half of all files: reading the size directly is ten times as quick.
    if start.startswith(PNG_SIGNATURE) and start[12:16] == b"IHDR" and _png_lacks_exif(file):
        return ImageHeader("PNG", *struct.unpack(">II", start[16:24]))
    file.seek(0)
    image = Image.open(file)
    if image.format not in IMAGE_FORMATS:
        raise ValueError(f"content is {image.format}, wanted one of {', '.join(IMAGE_FORMATS)}")
    width, height = image.size
    if _turned_by_opencv(image):
        width, height = height, width
    return ImageHeader(image.format, width, height)


def _png_lacks_exif(file: BinaryIO) -> bool:
    """Walk the chunks before the pixels; the position in `file` is lost."""
    file.seek(len(PNG_SIGNATURE))
    while True:
        head = file.read(8)
        if len(head) < 8 or head[4:] in (b"IDAT", b"IEND"):
            return len(head) == 8
        if head[4:] == b"eXIf":
            return False
        file.seek(struct.unpack(">I", head[:4])[0] + 4, os.SEEK_CUR)


def _turned_by_opencv(image: Image.Image) -> bool:
    # OpenCV, which loads the images, obeys the EXIF orientation of JPEG and PNG, and from version 5 of WebP.
    if image.format not in ("JPEG", "MPO", "PNG", *OPENCV_5_TURNS) or "exif" not in image.info:
        return False
    return image.getexif().get(EXIF_ORIENTATION) in EXIF_QUARTER_TURNS


def _has_end_marker(file: BinaryIO, image_format: str) -> bool:
    size = file.seek(0, os.SEEK_END)
    file.seek(max(size - TAIL_BYTES, 0))
    tail = file.read().rstrip(PADDING)
    if image_format == "PNG":
        return tail.endswith(PNG_END)
    if image_format in ("JPEG", "MPO"):
        return tail.endswith(JPEG_END)
    return False


def _decode(path: str | Path) -> None:
    with Image.open(path) as image:
        image.load()
