"""Files of statistics that took long to make: whole or absent, and read by one process for all."""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from mmengine.dist import broadcast_object_list, is_main_process
from mmengine.logging import print_log

from ..whole_files import whole_file

Statistics = Mapping[str, np.ndarray]
DIGEST = "digest"
"""Key of a digest of the rest: the check sums of the file do not tell who wrote it."""


def read_or_make(
    path: Path, keys: Sequence[str], make: Callable[[], Statistics | None], keep: Callable[[], bool]
) -> Statistics | None:
    """Return kept statistics, or make and keep them.

    The main process alone looks for the file, so that all processes make the statistics or none does,
    whatever other jobs write meanwhile. A file that cannot be read, or lacks something, is made anew.

    Args:
        path: The file.
        keys: Arrays of finite numbers that it has to hold.
        make: Called by all processes; what it returns in the main one counts.
        keep: Whether what was made is still true; asked in the main process.

    Returns:
        The statistics in the main process, None in the others.
    """
    found = [read_whole(path, keys) if is_main_process() else None]
    is_there = [found[0] is not None]
    broadcast_object_list(is_there)
    if is_there[0]:
        return found[0]
    made = make()
    if not is_main_process():
        return None
    if made is not None and keep():
        with whole_file(path) as passing, passing.open("wb") as file:
            np.savez(file, **dict[str, Any](made, **{DIGEST: digest_of(made)}))
    return made


def read_whole(path: Path, keys: Sequence[str]) -> Statistics | None:
    """Return the content of a file of statistics; None if there is none or it is broken, which is said.

    Args:
        path: The file.
        keys: Arrays of finite numbers that it has to hold.
    """
    if not path.is_file():
        return None
    try:
        with np.load(path, allow_pickle=False) as stored:
            statistics = {key: stored[key] for key in stored.files if key != DIGEST}
            whole = str(stored[DIGEST]) == digest_of(statistics) and statistics.keys() >= set(keys)
        whole = whole and all(np.isfinite(statistics[key]).all() for key in keys)
    except Exception:  # a cut or foreign file raises almost anything
        whole = False
    if whole:
        return statistics
    print_log(f"{path}: statistics that are not whole, made anew", "current")
    return None


def digest_of(statistics: Statistics) -> str:
    """A short text that changes with any number, type or shape."""
    known = hashlib.sha256()
    for key in sorted(statistics):
        array = np.asarray(statistics[key])
        known.update(
            repr((key, array.dtype.str, array.shape)).encode() + np.ascontiguousarray(array).tobytes()
        )
    return known.hexdigest()[:32]
