"""Telling whether image files are whole, without decoding them where that can be told."""

from __future__ import annotations

import os
import struct
from dataclasses import dataclass
from io import BufferedIOBase

from PIL import Image

from .images import (
    FORMATS,
    PNG_SIGNATURE,
    SIDEWAYS,
    BadImageError,
    Source,
    opened,
    orientation,
    shown,
    stream,
)

PNG_END = b"IEND\xaeB`\x82"
JPEG_END = b"\xff\xd9"
PADDING = b"\0\r\n "
TAIL_BYTES = 4096
GREY_MODES = ("1", "L", "LA", "La", "F")
GREY_PNG_TYPES = (0, 4)
# Chunks that may tell how the image lies, and beginnings of texts that do.
PNG_EXIF, PNG_TEXTS = b"eXIf", (b"tEXt", b"zTXt", b"iTXt")
ORIENTING_TEXTS = (b"Raw profile type", b"XML:com.adobe")


@dataclass(frozen=True)
class ImageHeader:
    """What the first bytes of an image file tell.

    Attributes:
        format: PIL's name, taken from the content ('PNG', 'JPEG', ...), not from the extension.
        width: In pixels, as the image is loaded.
        height: As `width`.
        grey: Whether the file stores no colour.
    """

    format: str
    width: int
    height: int
    grey: bool = False

    @property
    def size(self) -> tuple[int, int]:
        """(width, height) in pixels."""
        return self.width, self.height


def check_image(path: Source, upright: bool = True) -> ImageHeader:
    """Read the header and look for the end marker of an image.

    A file whose end marker is not where it should be gets decoded, which settles the matter.

    Args:
        path: The file.
        upright: Whether the size is that after the EXIF orientation, which depth maps do not obey.

    Raises:
        BadImageError: If the file is missing, is no image or is not complete.
    """
    try:
        with stream(path) as file:
            header = _read_header(file, upright)
            complete = _has_end_marker(file, header.format)
    except FileNotFoundError:
        raise BadImageError("does not exist") from None
    except Exception as error:  # PIL raises OSError, SyntaxError, ValueError, struct.error, ...
        raise BadImageError(f"is not readable ({shown(error)})") from error
    if not complete:
        with opened(path) as image:
            image.load()
    return header


def _read_header(file: BufferedIOBase, upright: bool) -> ImageHeader:
    start = file.read(26)
    # Depth maps are PNGs, so half of all files: reading the size directly is ten times as quick.
    if start.startswith(PNG_SIGNATURE) and start[12:16] == b"IHDR" and not (upright and _png_may_lie(file)):
        width, height = struct.unpack(">II", start[16:24])
        # Pillow refuses what would fill the memory, and what has no pixel.
        if 0 < width * height <= (Image.MAX_IMAGE_PIXELS or 0):
            return ImageHeader("PNG", width, height, start[25] in GREY_PNG_TYPES)
    file.seek(0)
    with Image.open(file, formats=FORMATS) as image:  # type: ignore[arg-type]
        width, height = image.size
        if upright and orientation(image) in SIDEWAYS:
            width, height = height, width
        grey = image.mode in GREY_MODES or image.mode.startswith("I")
        return ImageHeader(image.format or "", width, height, grey)


def _png_may_lie(file: BufferedIOBase) -> bool:
    """Whether a PNG holds what may tell that it lies; the position in `file` is lost."""
    file.seek(len(PNG_SIGNATURE))
    while len(head := file.read(8)) == 8 and head[4:] != b"IEND":
        (length, kind), behind = struct.unpack(">I4s", head), file.tell()
        if kind == PNG_EXIF or (kind in PNG_TEXTS and file.read(16).startswith(ORIENTING_TEXTS)):
            return True
        file.seek(behind + length + 4)  # the chunk and its checksum
    return False


def _has_end_marker(file: BufferedIOBase, image_format: str) -> bool:
    size = file.seek(0, os.SEEK_END)
    file.seek(max(size - TAIL_BYTES, 0))
    tail = file.read().rstrip(PADDING)
    if image_format == "PNG":
        return tail.endswith(PNG_END)
    if image_format in ("JPEG", "MPO"):
        return tail.endswith(JPEG_END)
    return False
