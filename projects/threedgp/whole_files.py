"""Files that are either the old one or the new one, never half of it, also after a power cut."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def whole_file(path: str | Path) -> Iterator[Path]:
    """Let a file be written under a passing name, and give it its own when it is whole and on the disk.

    Args:
        path: What the file becomes; its folder is made if it is missing.

    Yields:
        The passing name, ``path`` with ``.tmp`` behind it. It is gone if the block fails.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    passing = path.with_name(f"{path.name}.tmp")
    try:
        yield passing
        _sync(passing)
        os.replace(passing, path)
        _sync(path.parent)
    finally:
        passing.unlink(missing_ok=True)


def _sync(path: Path) -> None:
    """Wait until a file, or the entries of a folder, are on the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
