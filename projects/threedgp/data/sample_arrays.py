"""Images in an .npz file as ADM's evaluation suite writes it, read piece by piece."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from io import BufferedIOBase
from pathlib import Path

import numpy as np
from jaxtyping import Integer, UInt8

from ..errors import blame
from .images import BadImageError, shown

IMAGES = "arr_0"
LABELS = ("arr_1", "labels", "label")
IMAGES_AT_ONCE = 64
WANTED = f"{IMAGES}, uint8 (n, r, r, 3) in C order"


class ArrayFile:
    """An ``.npz`` file with images ``arr_0`` (n, r, r, 3), and maybe labels ``arr_1`` (n,).

    Args:
        path: The file, compressed or not.

    Raises:
        ValueError: If the images are missing, none, grey, not square or not uint8.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        with zipfile.ZipFile(path) as archive:
            self._arrays = [Path(name).stem for name in archive.namelist() if name.endswith(".npy")]
            if IMAGES not in self._arrays:
                held = ", ".join(map(shown, self._arrays)) or "no array"
                raise ValueError(f"{shown(path)}: holds {held}, wanted {WANTED}")
            with blame(f"{shown(path)}: {IMAGES}", Exception), archive.open(f"{IMAGES}.npy") as file:
                shape, fortran, dtype = _read_header(file)  # type: ignore[arg-type]
        if len(shape) == 3 or (len(shape) == 4 and shape[3] == 1):
            raise ValueError(f"{shown(path)}: {IMAGES} {shape} holds grey images, wanted {WANTED}")
        if dtype != np.uint8 or fortran or len(shape) != 4 or shape[3] != 3 or shape[1] != shape[2]:
            order = " in Fortran order" if fortran else ""
            raise ValueError(f"{shown(path)}: {IMAGES} is {dtype} {shape}{order}, wanted {WANTED}")
        if 0 in shape:
            raise ValueError(f"{shown(path)}: {IMAGES} {shape} holds no image, wanted {WANTED}")
        self.count, self.side = int(shape[0]), int(shape[1])

    def images(self) -> Iterator[UInt8[np.ndarray, "r r 3"]]:
        """Read all images in their order, a few at a time.

        Raises:
            BadImageError: If the file ends before they do, or is damaged.
        """
        read, size = 0, self.side * self.side * 3
        try:
            with zipfile.ZipFile(self.path) as archive, archive.open(f"{IMAGES}.npy") as file:
                _read_header(file)  # type: ignore[arg-type]
                while read < self.count:
                    wanted = min(IMAGES_AT_ONCE, self.count - read)
                    content = file.read(wanted * size)
                    if len(content) < wanted * size:
                        raise EOFError("it ends there")
                    yield from np.frombuffer(content, np.uint8).reshape(wanted, self.side, self.side, 3)
                    read += wanted
        except Exception as error:
            raise BadImageError(
                f"{shown(self.path)}: {IMAGES} is not readable from image {read} of {self.count} on ({error})"
            ) from error

    def labels(self) -> Integer[np.ndarray, " n"] | None:
        """Read the labels; None if there are none.

        Raises:
            ValueError: If they are not one whole number for each image.
        """
        name = next((name for name in LABELS if name in self._arrays), None)
        if name is None:
            return None
        with blame(f"{shown(self.path)}: {name}", Exception), np.load(self.path) as arrays:
            labels = arrays[name]
        if labels.shape != (self.count,) or labels.dtype.kind not in "iu":
            raise ValueError(
                f"{shown(self.path)}: {name} is {labels.dtype} {labels.shape}, wanted a whole number for "
                f"each of {self.count} images"
            )
        return labels


def _read_header(file: BufferedIOBase) -> tuple[tuple[int, ...], bool, np.dtype]:
    """Shape, whether in Fortran order, and type of an array, whose content comes next."""
    version = np.lib.format.read_magic(file)
    read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    return read(file)
