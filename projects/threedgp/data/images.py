"""The one door through which images and depth maps come in: Python opens the file, Pillow decodes it.

Python opens any name that the file system allows, also one that is no UTF-8. The rules:

* Images become RGB of 8 bits. Of wider values the high byte counts (32 896 of 65 535 is 128), which is also
  what Pillow does for 16-bit colour; floating-point grey runs from 0 to 1. Other ranges are refused.
* The EXIF orientation is obeyed in every format.
* What is transparent shows white.
* An embedded ICC profile is converted to sRGB; one that cannot be read, or is for another kind of image, is
  ignored.
* Of animations and pages the first counts. A file that is cut is refused.
* Depth maps keep their 16 bits, and neither orientation nor profile count.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from io import BufferedIOBase
from pathlib import Path

import cv2
import numpy as np
from jaxtyping import Float, UInt8, UInt16
from PIL import Image, ImageCms

# Pillow has more decoders, among them some that run other programs (EPS) or take any content (TGA).
WANTED_FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "DIB", "TIFF", "GIF", "AVIF", "JPEG2000", "PPM", "QOI")
Image.init()
FORMATS = tuple(name for name in WANTED_FORMATS if name in Image.OPEN)
# MPO, several JPEGs in one file, has no decoder of its own.
EXTENSIONS = tuple(
    sorted(end for end, name in Image.registered_extensions().items() if name in (*FORMATS, "MPO"))
)

PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
ORIENTATION = 0x0112
TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
SIDEWAYS = (5, 6, 7, 8)

SRGB = ImageCms.createProfile("sRGB")
PROFILE_SPACES = {"L": "GRAY", "RGB": "RGB", "CMYK": "CMYK"}
NOTICEABLE = 2  # of 255: what conversions from sRGB to sRGB differ by
DEPTH_LEVELS = 65536.0  # NumPy 1 turns float32 / 65536, an int, into float64


Source = str | Path | BufferedIOBase
"""A file by its name, or opened: a member of an archive."""


class BadImageError(ValueError):
    """A file is not a whole, readable image. The message does not repeat the file name."""


def shown(name: object) -> str:
    """A file name in one line that any terminal and log can take."""
    text = str(name).encode("utf-8", "backslashreplace").decode()
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


@contextmanager
def stream(source: Source) -> Iterator[BufferedIOBase]:
    """The bytes of a file from its beginning; what was opened elsewhere stays open."""
    if isinstance(source, str | Path):
        with open(source, "rb") as file:
            yield file
    else:
        source.seek(0)
        yield source


@contextmanager
def opened(path: Source) -> Iterator[Image.Image]:
    """The image in a file before its pixels are decoded.

    Raises:
        BadImageError: If the file is missing or no image, also if the block finds that.
    """
    try:
        with stream(path) as file, Image.open(file, formats=FORMATS) as image:  # type: ignore[arg-type]
            yield image
    except BadImageError:
        raise
    except FileNotFoundError:
        raise BadImageError("does not exist") from None
    except Image.UnidentifiedImageError as error:
        raise BadImageError(f"is not readable (no {', '.join(FORMATS)})") from error
    except Exception as error:  # Pillow raises OSError, SyntaxError, ValueError, struct.error, ...
        raise BadImageError(f"is not readable ({shown(error)})") from error


@contextmanager
def decoded(path: Source) -> Iterator[Image.Image]:
    """The image in a file with its pixels; the check sums of a PNG, which Pillow passes over, hold.

    Raises:
        BadImageError: If the file is missing, no image or damaged, also if the block finds that.
    """
    with opened(path) as image:
        if image.format == "PNG":
            image.verify()  # leaves an image that cannot be decoded
            with opened(path) as again:
                again.load()
                yield again
        else:
            image.load()
            yield image


def read_image(path: Source) -> UInt8[np.ndarray, "h w 3"]:
    """Read an image as upright sRGB, by the rules above; the array cannot be written to.

    Raises:
        BadImageError: If the file is missing, no image, or not whole.
    """
    with decoded(path) as image:
        return np.asarray(_as_rgb(_upright(image)))


def orientation(image: Image.Image) -> int:
    """How an image lies, 1 to 8 as EXIF counts; 1 if it does not say.

    A TIFF says 1, as Pillow turns it by itself.
    """
    if image.format == "TIFF":
        return 1
    try:
        return int(image.getexif().get(ORIENTATION, 1))
    except Exception:  # metadata that cannot be read leave the image as it is
        return 1


def _upright(image: Image.Image) -> Image.Image:
    turn = TURNS.get(orientation(image))
    return image if turn is None else image.transpose(turn)


def _as_rgb(image: Image.Image) -> Image.Image:
    image = _in_8_bits(image)
    rgb = _in_srgb(image)
    if not image.has_transparency_data:
        return rgb
    white = Image.new("RGB", rgb.size, "white")
    return Image.composite(rgb, white, image.convert("RGBA").getchannel("A"))


def _in_8_bits(image: Image.Image) -> Image.Image:
    """Grey of 16 or 32 bits as grey of 8; other images as they are."""
    if image.mode == "F":
        levels = _in_range(np.asarray(image), 1.0) * 255
    elif image.mode.startswith("I"):
        levels = _in_range(np.asarray(image), 65535) // 256
    else:
        return image
    grey = Image.fromarray(np.round(levels).astype(np.uint8))
    if "transparency" in image.info:
        opaque = np.asarray(image) != image.info["transparency"]
        grey.putalpha(Image.fromarray(opaque.astype(np.uint8) * 255))
    if "icc_profile" in image.info:
        grey.info["icc_profile"] = image.info["icc_profile"]
    return grey


def _in_range(levels: np.ndarray, high: float) -> np.ndarray:
    low, top = levels.min(), levels.max()
    if not (low >= 0 and top <= high):  # also if one is no number
        raise BadImageError(f"has grey levels from {low:g} to {top:g}, wanted 0 to {high:g}")
    return levels


def _in_srgb(image: Image.Image) -> Image.Image:
    mode = {"1": "L", "L": "L", "LA": "L", "CMYK": "CMYK"}.get(image.mode, "RGB")
    profile = image.info.get("icc_profile")
    # Pillow copies what it need not convert.
    plain = image if image.mode == mode else image.convert(mode)
    transform = _to_srgb(profile, mode) if profile else None
    if transform is not None:
        return transform.apply(plain)
    return plain if mode == "RGB" else plain.convert("RGB")


@lru_cache(maxsize=64)
def _to_srgb(profile: bytes, mode: str) -> ImageCms.ImageCmsTransform | None:
    """What converts from a profile; None if that changes nothing or cannot be done."""
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        if source.profile.xcolor_space.strip() != PROFILE_SPACES[mode]:
            return None
        transform = ImageCms.ImageCmsTransform(source, ImageCms.ImageCmsProfile(SRGB), mode, "RGB")
    except Exception:  # Pillow raises OSError, PyCMSError, ValueError, ...
        return None
    return transform if mode == "CMYK" or _is_noticeable(transform, mode) else None


def _is_noticeable(transform: ImageCms.ImageCmsTransform, mode: str) -> bool:
    # Most profiles are sRGB under some name; a few colours tell, and save the conversion of all pixels.
    steps = np.arange(0, 256, 51, dtype=np.uint8)
    colors = np.stack(np.meshgrid(*[steps] * len(Image.new(mode, (1, 1)).getbands())), -1)
    before = Image.fromarray(colors.reshape(1, -1, 3) if mode == "RGB" else colors.reshape(1, -1))
    change = np.asarray(transform.apply(before), int) - np.asarray(before.convert("RGB"), int)
    return bool(np.abs(change).max() > NOTICEABLE)


def read_depth_levels(path: Source) -> UInt16[np.ndarray, "h w"]:
    """Read the first channel of an 8- or 16-bit depth map; 8-bit values count 256 times.

    Raises:
        ValueError: If the file cannot be decoded or its values are not 8- or 16-bit integers.
    """
    try:
        with decoded(path) as image:
            return _depth_levels(image, path)
    except BadImageError as error:
        name = shown(path) if isinstance(path, str | Path) else shown(getattr(path, "name", ""))
        raise ValueError(f"depth map {name} {error}") from error


def _depth_levels(image: Image.Image, path: Source) -> np.ndarray:
    if image.mode.startswith("I;16") or (image.mode == "I" and image.format == "PPM"):
        return np.asarray(image).astype(np.uint16)
    if image.mode in ("I", "F"):
        raise BadImageError(f"has values of {np.asarray(image).dtype}, wanted uint8 or uint16")
    if image.mode in ("LA", "RGB", "RGBA") and _is_16_bit_png(path):
        # Pillow drops the low byte of colour. OpenCV hands out BGR(A), so the first channel comes third.
        with stream(path) as file:
            content = np.frombuffer(file.read(), np.uint8)
        stored = cv2.imdecode(content, cv2.IMREAD_UNCHANGED)
        return np.ascontiguousarray(np.asarray(stored)[..., 2])
    grey = image.convert("L") if image.mode == "1" else image
    first = grey if grey.mode in ("L", "LA") else grey.convert("RGB")
    return np.asarray(first.getchannel(0)).astype(np.uint16) * 256


def _is_16_bit_png(path: Source) -> bool:
    with stream(path) as file:
        head = file.read(25)
    return head.startswith(PNG_SIGNATURE) and head[24:] == b"\x10"


def read_depth(path: Source) -> Float[np.ndarray, "h w 1"]:
    """Read an 8- or 16-bit depth map as float32 in [-1, 1), larger = farther as stored.

    The first channel v counts; 8-bit values are multiplied by 256, then v / 65536 * 2 - 1.

    Args:
        path: A PNG beside the image.

    Raises:
        ValueError: If the file cannot be decoded or its values are not 8- or 16-bit integers.
    """
    levels = read_depth_levels(path).astype(np.float32)
    return (levels / DEPTH_LEVELS * 2 - 1)[..., None]
