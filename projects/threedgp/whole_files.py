"""Files that are either the old one or the new one, never half of it, also after a power cut."""

import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_PASSING = re.compile(r"\..+\.\d+\.tmp(\.[^.]+)?")


@contextmanager
def whole_file(path: str | Path) -> Iterator[Path]:
    """Let a file be written under a passing name, and give it its own when it is whole and on the disk.

    Args:
        path: What the file becomes; its folder is made if it is missing.

    Yields:
        The passing name: hidden, beside ``path``, of the same suffix, and this process's own, so that several
        may write the same file. It is gone if the block fails.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    passing = path.with_name(f".{path.stem}.{os.getpid()}.tmp{path.suffix}")
    try:
        yield passing
        _sync(passing)
        os.replace(passing, path)
        _sync(path.parent)
    finally:
        passing.unlink(missing_ok=True)


def remove_passing(folder: Path) -> None:
    """Remove what processes that were killed left in a folder, and those in it, that nobody writes to now."""
    for path in [*folder.glob(".*"), *folder.glob("*/.*")]:
        if _PASSING.fullmatch(path.name):
            path.unlink()


def write_text(path: Path, text: str) -> None:
    """Write a text file whole, and its folder if it is missing."""
    with whole_file(path) as passing:
        passing.write_text(text, encoding="utf-8")


def _sync(path: Path) -> None:
    """Wait until a file, or the entries of a folder, are on the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextmanager
def whole_folder(path: Path) -> Iterator[Path]:
    """Let a folder be filled under a passing name; an older one goes only when the new one is whole.

    Args:
        path: What the folder becomes; its parent is made if it is missing.

    Yields:
        The passing name, hidden and beside `path`. If the block fails it is gone, and the older folder stays.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    new, old = (path.with_name(f".{path.name}.{kind}-{os.getpid()}") for kind in ("new", "old"))
    new.mkdir()
    try:
        yield new
        if path.exists():
            path.rename(old)
        new.rename(path)
    except BaseException:
        shutil.rmtree(new, ignore_errors=True)
        if old.exists() and not path.exists():
            old.rename(path)
        raise
    shutil.rmtree(old, ignore_errors=True)
