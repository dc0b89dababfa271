"""What a table of features was computed from, kept beside it, so that no other data use it unnoticed."""

from __future__ import annotations

import hashlib
import json
import logging
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path

from mmengine.logging import print_log

from .images import shown
from .row_table import RowTable, names_path, read_names

STAT_THREADS = 16

# Name, size in bytes, modification time in nanoseconds.
Stamp = tuple[str, int, int]


@dataclass(frozen=True)
class TableOrigin:
    """What the rows depend on.

    Attributes:
        model: The teacher.
        weights: Digest of its weights.
        image_size: Side of what the teacher saw, in pixels.
        resolution: Side of what the dataset delivered, in pixels.
        sizes: Digest of the names and sizes of the images.
        times: Digest of their modification times.
        rows: Check sum of the numbers; empty in files of versions that did not keep it.
    """

    model: str
    weights: str
    image_size: int
    resolution: int
    sizes: str
    times: str
    rows: str = ""

    def write(self, path: Path) -> None:
        """Write it as JSON."""
        path.write_text(json.dumps(asdict(self), indent=2) + "\n", encoding="utf-8")

    def __str__(self) -> str:
        return f"{self.model} at {self.image_size} pixels, of images at {self.resolution} pixels"


def origin_path(table: str | Path) -> Path:
    """The file beside a table that tells its origin."""
    return Path(table).with_suffix(".json")


def read_origin(table: str | Path) -> TableOrigin | None:
    """The origin of a table, None if there is none beside it.

    Raises:
        ValueError: If the file is none of the kind.
    """
    path = origin_path(table)
    if not path.is_file():
        return None
    try:
        return TableOrigin(**json.loads(path.read_text(encoding="utf-8")))
    except (TypeError, ValueError) as error:
        raise ValueError(f"{shown(path)} does not tell the origin of a table ({shown(error)})") from error


def stamps_of(root: str | Path, names: Sequence[str]) -> list[Stamp]:
    """Name, size and modification time of images.

    Args:
        root: Folder of the images.
        names: Paths relative to it.

    Raises:
        OSError: If one is not there.
    """

    def stamp(name: str) -> Stamp:
        found = os.stat(os.path.join(root, name))
        return name, found.st_size, found.st_mtime_ns

    with ThreadPoolExecutor(STAT_THREADS) as pool:
        return list(pool.map(stamp, names))


def digests_of(stamps: Sequence[Stamp]) -> tuple[str, str]:
    """Digests of names with sizes, and of times, in the order of the table."""
    return _digest([stamp[:2] for stamp in stamps]), _digest([stamp[2] for stamp in stamps])


def _digest(values: Sequence[object]) -> str:
    return hashlib.sha256(repr(values).encode()).hexdigest()[:32]


def check_origin(table: RowTable, root: str | Path, resolution: int | None) -> None:
    """Refuse a table of other images or of another resolution, and say what cannot be told.

    Args:
        table: The table.
        root: Folder of the images.
        resolution: Of the training, in pixels; None for the images' own.

    Raises:
        ValueError: If it was computed at another resolution or of images of other names or sizes, or is
            damaged.
    """
    subject, origin = f"{table.field}={str(table.path)!r}", read_origin(table.path)
    if origin is None:
        _warn(f"{subject}: nothing beside it tells its model, resolution and images; not compared with these")
        return
    print_log(f"{subject}: {origin}", logger="current")
    advice = f"compute it anew, or remove {shown(origin_path(table.path))} to use it as it is"
    if resolution not in (None, origin.resolution):
        raise ValueError(
            f"{subject}: computed at resolution {origin.resolution}, wanted {resolution}; {advice}"
        )
    if origin.rows and origin.rows != table.checksum:
        raise ValueError(f"{subject}: its numbers are not those that were computed; compute it anew")
    try:
        sizes, times = digests_of(stamps_of(root, read_names(names_path(table.path))))
    except OSError:
        _warn(f"{subject}: some of its images are gone; whether others have changed cannot be told")
        return
    if sizes != origin.sizes:
        raise ValueError(f"{subject}: the images in {shown(root)} have changed since it was made; {advice}")
    elif times != origin.times:
        _warn(f"{subject}: the images in {shown(root)} were copied or rewritten since it was made; {advice}")


def _warn(text: str) -> None:
    print_log(text, logger="current", level=logging.WARNING)
