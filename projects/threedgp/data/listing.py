"""Lists the files of a folder, and accounts for every one of them."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TypeVar

import numpy as np

from ..wording import counted
from .images import EXTENSIONS, shown

DEPTH_SUFFIX = "_depth.png"
NAMED_EXTENSIONS = 6

T = TypeVar("T")


@dataclass(frozen=True)
class Listing:
    """What a folder holds; paths are relative to it, with forward slashes, and sorted.

    Attributes:
        images: Files whose extension Pillow reads, without depth maps.
        depth_maps: Files that end as depth maps do.
        others: Files of other extensions.
        hidden: Files whose name, or a folder's of theirs, begins with a dot.
        dead_ends: Links to nowhere or to a folder they lie in, folders that may not be read, and what is
            neither file nor folder.
    """

    images: tuple[str, ...]
    depth_maps: tuple[str, ...]
    others: tuple[str, ...]
    hidden: tuple[str, ...]
    dead_ends: tuple[str, ...]

    @property
    def counts(self) -> dict[str, int]:
        """How many there are of each kind."""
        return {kind: len(names) for kind, names in vars(self).items()}

    @property
    def total(self) -> int:
        """The number of all of them."""
        return sum(self.counts.values())

    def summary(self) -> str:
        """The counts in one line, those that are not used with examples."""
        parts = [counted(len(self.images), "image"), counted(len(self.depth_maps), "depth map")]
        if self.others:
            parts.append(f"{len(self.others)} of other types ({_by_extension(self.others)})")
        if self.hidden:
            parts.append(f"{len(self.hidden)} hidden")
        if self.dead_ends:
            example = shown(self.dead_ends[0])
            parts.append(f"{len(self.dead_ends)} out of reach (dead links, closed folders), e.g. {example}")
        return f"{counted(self.total, 'file')}: {', '.join(parts)}"


def list_files(root: str | Path, depth_suffix: str = DEPTH_SUFFIX) -> Listing:
    """All files under a folder; symbolic links are followed, and loops of them end.

    Args:
        root: The folder.
        depth_suffix: Ending of the names of depth maps, in any case.
    """
    return _sorted_out(_walk(str(root), "", (_identity(os.stat(root)),)), depth_suffix)


def list_names(names: Iterable[str], depth_suffix: str = DEPTH_SUFFIX) -> Listing:
    """The same for names of files that lie elsewhere, such as in an archive.

    Args:
        names: Paths with forward slashes.
        depth_suffix: Ending of the names of depth maps, in any case.
    """
    return _sorted_out(((name, None) for name in names), depth_suffix)


def _sorted_out(found: Iterable[tuple[str, str | None]], depth_suffix: str) -> Listing:
    kinds: dict[str, list[str]] = {kind: [] for kind in Listing.__annotations__}
    for name, kind in found:
        kinds[kind or _kind_of(name, depth_suffix.lower())].append(name)
    return Listing(**{kind: tuple(sorted(names)) for kind, names in kinds.items()})


def _walk(folder: str, prefix: str, above: tuple[tuple[int, int], ...]) -> Iterator[tuple[str, str | None]]:
    """Name of everything that is no folder, and 'dead_ends' if it is no readable file either."""
    try:
        with os.scandir(folder) as scan:
            entries = list(scan)
    except OSError:
        yield prefix.rstrip("/"), "dead_ends"
        return
    for entry in entries:
        name = prefix + entry.name
        folder_id = _folder_id(entry)
        if folder_id is not None and folder_id not in above:
            yield from _walk(entry.path, f"{name}/", (*above, folder_id))
        else:
            yield name, None if folder_id is None and _is_file(entry) else "dead_ends"


def _folder_id(entry: os.DirEntry[str]) -> tuple[int, int] | None:
    try:
        return _identity(entry.stat()) if entry.is_dir() else None
    except OSError:  # a link to itself
        return None


def _is_file(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_file()
    except OSError:
        return False


def _identity(stat: os.stat_result) -> tuple[int, int]:
    return stat.st_dev, stat.st_ino


def _kind_of(name: str, depth_suffix: str) -> str:
    lower = name.lower()
    if any(part.startswith(".") for part in name.split("/")):
        return "hidden"
    if lower.endswith(depth_suffix):
        return "depth_maps"
    return "images" if lower.endswith(EXTENSIONS) else "others"


def _by_extension(names: Sequence[str]) -> str:
    counts = Counter(PurePosixPath(name).suffix.lower() or "none" for name in names)
    common = [f"{count} {shown(end)}" for end, count in counts.most_common(NAMED_EXTENSIONS)]
    return ", ".join([*common, "..."] if len(counts) > NAMED_EXTENSIONS else common)


def stem_of(name: str) -> str:
    """A path without its extension."""
    return str(PurePosixPath(name).with_suffix(""))


def shared_stems(names: Sequence[str]) -> set[str]:
    """Stems that several of the images have, so that one depth map would serve them all."""
    counts = Counter(stem_of(name) for name in names)
    return {stem for stem, count in counts.items() if count > 1}


def evenly_spaced(items: Sequence[T], count: int | None) -> list[T]:
    """`count` of the items at equal distances, in order; all of them if `count` is None."""
    if count is None or count >= len(items):
        return list(items)
    picks = np.arange(count) * len(items) // count
    return [items[int(i)] for i in picks]
