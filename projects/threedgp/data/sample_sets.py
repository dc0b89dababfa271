"""Images that some other program made, to be measured: a folder, a zip archive or an array in an .npz file.

All that does not fit is found before the first image is measured, and images are read as they are needed, so
that memory does not grow with their number.
"""

from __future__ import annotations

import io
import os
import zipfile
import zlib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from io import BufferedIOBase
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor
from torch.utils.data import Dataset, IterableDataset
from tqdm import tqdm

from .image_checks import ImageHeader, check_image
from .images import EXTENSIONS, BadImageError, read_depth, read_image, shown
from .listing import DEPTH_SUFFIX, Listing, evenly_spaced, list_files, list_names, stem_of
from .sample_arrays import ArrayFile
from .squares import depth_square, image_square

NAMED = 3
SCAN_THREADS = 8
COMPRESSED = ("JPEG", "MPO")
BROKEN = (zipfile.BadZipFile, zlib.error, RuntimeError, NotImplementedError, OSError)
"""What Python raises of archives that are broken, encrypted or packed in an unknown way."""

Sample = dict[str, Any]
"""``name``; ``fake_img``, BGR uint8 (3, r, r), as the toolkit's metrics want it; ``depth`` (1, r, r) in
[-1, 1), larger = farther as stored, where there is one."""


@dataclass(frozen=True)
class SampleFacts:
    """What a protocol says of samples.

    Attributes:
        source: Where they are.
        kind: ``folder``, ``zip`` or ``npz``.
        count: How many are used.
        available: How many there are.
        side: Of the images as they are stored, pixels.
        compressed: How many are JPEG.
        depth: Whether there are depth maps.
        classes: Number of different labels; None without labels.
    """

    source: str
    kind: str
    count: int
    available: int
    side: int
    compressed: int = 0
    depth: bool = False
    classes: int | None = None


class FolderFiles:
    """The files of a folder."""

    kind = "folder"

    def __init__(self, root: Path) -> None:
        self.root, self.listing = root, list_files(root)

    def open(self, name: str) -> BufferedIOBase:
        """Open a file."""
        return open(self.root / name, "rb")


class ZipFiles:
    """The files of a zip archive, which each process opens for itself."""

    kind = "zip"

    def __init__(self, path: Path) -> None:
        self.path = path
        self._archives: dict[int, zipfile.ZipFile] = {}
        with zipfile.ZipFile(path) as archive:
            self.listing: Listing = list_names(
                {each for each in archive.namelist() if not each.endswith("/")}
            )

    def __getstate__(self) -> dict[str, Any]:
        return {**vars(self), "_archives": {}}

    def open(self, name: str) -> BufferedIOBase:
        """Open a file."""
        process = os.getpid()
        if process not in self._archives:
            self._archives[process] = zipfile.ZipFile(self.path)
        return io.BytesIO(self._archives[process].read(name))


class SampleFiles(Dataset):
    """Image files, in the order of their names.

    Args:
        files: A folder or an archive.
        source: What it is called.
        count: Use that many, spread evenly over the names; None for all.
        side: Bring images and depth to this side, pixels; None for their own.
        use_depth: Take the depth maps that lie beside the images.

    Raises:
        ValueError: If there is no image, or one is broken, grey or of another size, or has no depth map where
            others have one.
    """

    def __init__(
        self,
        files: FolderFiles | ZipFiles,
        source: str,
        count: int | None = None,
        side: int | None = None,
        use_depth: bool = True,
    ) -> None:
        self.files, self.side = files, side
        found = files.listing.images
        if not found:
            raise ValueError(
                f"{source}: found no image, wanted files that end in {', '.join(EXTENSIONS)}, in any "
                f"sub-folder; found {files.listing.summary()}"
            )
        self.names = evenly_spaced(found, count)
        maps = frozenset(files.listing.depth_maps) if use_depth else frozenset()
        depth = [stem_of(name) + DEPTH_SUFFIX for name in self.names]
        self.depth_names = depth if maps.intersection(depth) else None
        headers = _scan(self, source, maps)
        self.facts = SampleFacts(
            source,
            files.kind,
            len(self.names),
            len(found),
            headers[0].width,
            compressed=sum(header.format in COMPRESSED for header in headers),
            depth=self.depth_names is not None,
        )

    def __len__(self) -> int:
        return len(self.names)

    def __getitem__(self, index: int) -> Sample:
        """Read an image, and its depth map.

        Raises:
            BadImageError: If a file is broken; the message names it.
        """
        name = self.names[index]
        try:
            with self.files.open(name) as file:
                image = read_image(file)
            sample = as_sample(name, image, self.side)
            if self.depth_names is not None:
                with self.files.open(self.depth_names[index]) as file:
                    depth = read_depth(file)
                sample["depth"] = as_depth(depth, self.side)
        except (ValueError, *BROKEN) as error:
            raise BadImageError(f"sample {shown(name)} {shown(error)}") from error
        return sample

    def header(self, index: int, depth: bool = False) -> ImageHeader:
        """Look at the beginning and the end of a file.

        Raises:
            BadImageError: If it is broken.
        """
        name = self.names[index] if not depth or self.depth_names is None else self.depth_names[index]
        try:
            with self.files.open(name) as file:
                return check_image(file, upright=not depth)
        except BROKEN as error:
            raise BadImageError(f"is not readable ({shown(error)})") from error


class SampleArray(IterableDataset):
    """The images of an ``.npz`` file as ADM's evaluation suite writes it, in their order.

    Args:
        file: The file.
        source: What it is called.
        count: Use that many, spread evenly; None for all.
        side: Bring the images to this side, pixels; None for their own.

    Raises:
        ValueError: If the file holds something else.
    """

    def __init__(
        self, file: ArrayFile, source: str, count: int | None = None, side: int | None = None
    ) -> None:
        self.file, self.side = file, side
        self.indices = evenly_spaced(range(file.count), count)
        labels = file.labels()
        classes = None if labels is None else len(np.unique(labels))
        self.facts = SampleFacts(source, "npz", len(self.indices), file.count, file.side, classes=classes)

    def __len__(self) -> int:
        return len(self.indices)

    def __iter__(self) -> Iterator[Sample]:
        wanted = iter(self.indices)
        index = next(wanted)
        for position, image in enumerate(self.file.images()):
            if position == index:
                yield as_sample(f"image {position}", image, self.side)
                index = next(wanted, self.file.count)


Samples = SampleFiles | SampleArray


def open_samples(
    path: str | Path, count: int | None = None, side: int | None = None, use_depth: bool = True
) -> Samples:
    """Open images that are to be measured.

    Args:
        path: A folder, a zip archive, or an ``.npz`` file with ``arr_0`` (n, r, r, 3) uint8.
        count: Use that many, spread evenly over them; None for all.
        side: Bring images and depth to this side, pixels; None for their own.
        use_depth: Take the depth maps that lie beside the images of a folder or archive.

    Raises:
        ValueError: If there is no image, or they do not fit together, or the file is of another kind.
    """
    path, source = Path(path), shown(path)
    if path.is_dir():
        return SampleFiles(FolderFiles(path), source, count, side, use_depth)
    try:
        if path.suffix.lower() == ".npz":
            return SampleArray(ArrayFile(path), source, count, side)
        return SampleFiles(ZipFiles(path), source, count, side, use_depth)
    except (zipfile.BadZipFile, OSError, NotImplementedError) as error:
        raise ValueError(
            f"{source}: is not readable ({error}), wanted a folder, a whole .zip or a whole .npz file"
        ) from error


def as_sample(name: str, image: UInt8[np.ndarray, "h w 3"], side: int | None) -> Sample:
    """Return an RGB image as metrics want it."""
    if side is not None and side != len(image):
        image = image_square(image, side)
    return {"name": name, "fake_img": torch.from_numpy(image[..., ::-1].copy()).permute(2, 0, 1)}


def as_depth(depth: Float[np.ndarray, "h w 1"], side: int | None) -> Float[Tensor, "1 r r"]:
    """Return a depth map as metrics want it."""
    if side is not None and side != len(depth):
        depth = depth_square(depth, side)
    return torch.from_numpy(depth).permute(2, 0, 1)


def _scan(samples: SampleFiles, source: str, maps: frozenset[str]) -> Sequence[ImageHeader]:
    """Look into all files; returns the images' headers.

    Raises:
        ValueError: If some do not fit.
    """
    with ThreadPoolExecutor(SCAN_THREADS) as pool:
        looks = pool.map(lambda index: _look(samples, index, maps), range(len(samples)))
        found = list(
            tqdm(looks, f"{source}: looking into files", total=len(samples), unit="img", leave=False)
        )
    problems = {index: each for index, each in enumerate(found) if isinstance(each, str)}
    headers = {index: each for index, each in enumerate(found) if isinstance(each, ImageHeader)}
    problems |= _misfits(headers)
    if problems:
        named = [f"{shown(samples.names[index])} {problems[index]}" for index in sorted(problems)[:NAMED]]
        more = ", ..." if len(problems) > NAMED else ""
        raise ValueError(
            f"{source}: {len(problems)} of {len(samples)} images cannot be measured: {', '.join(named)}{more}"
        )
    return list(headers.values())


def _look(samples: SampleFiles, index: int, maps: frozenset[str]) -> ImageHeader | str:
    """The header of an image, or what is wrong with it or its depth map."""
    try:
        header = samples.header(index)
        if header.grey:
            return "is grey, wanted colour"
        if header.width != header.height:
            return f"is {header.width}x{header.height} pixels, wanted a square"
        if samples.depth_names is None:
            return header
        if samples.depth_names[index] not in maps:
            return f"has no depth map {shown(samples.depth_names[index])}, which others have"
        depth = samples.header(index, depth=True)
    except BadImageError as error:
        return str(error)
    if depth.size != header.size:
        return (
            f"has a depth map of {depth.width}x{depth.height} pixels, wanted {header.width}x{header.height}"
        )
    return header


def _misfits(headers: Mapping[int, ImageHeader]) -> dict[int, str]:
    """Images of another size than most."""
    sides = Counter(header.width for header in headers.values())
    if len(sides) < 2:
        return {}
    [(usual, _)] = sides.most_common(1)
    return {
        index: f"is {header.width}x{header.height} pixels, most are {usual}x{usual}"
        for index, header in headers.items()
        if header.width != usual
    }
