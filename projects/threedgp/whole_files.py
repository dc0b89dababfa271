"""Files that are either the old one or the new one, never half of it, also after a power cut."""

import os
import re
import shutil
import socket
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path

HOST = socket.gethostname()
_LEFTOVER = re.compile(
    r"\.(?P<name>.+)\.(?P<host>[^.].*?)-(?P<pid>\d+)\.(?P<kind>tmp|new|old)(\.[^.]*)?", re.DOTALL
)


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
    _clear_once(path.parent)
    passing = path.with_name(f".{path.stem}.{_owner(os.getpid())}.tmp{path.suffix}")
    try:
        yield passing
        _sync(passing)
        os.replace(passing, path)
        _sync(path.parent)
    finally:
        passing.unlink(missing_ok=True)


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
    _clear_once(path.parent)
    new, old = (path.with_name(f".{path.name}.{_owner(os.getpid())}.{kind}") for kind in ("new", "old"))
    new.mkdir()
    try:
        yield new
        if path.exists():
            path.rename(old)  # killed now, the older folder is put back by whoever writes here next
        new.rename(path)
    except BaseException:
        shutil.rmtree(new, ignore_errors=True)
        if old.exists() and not path.exists():
            old.rename(path)
        raise
    shutil.rmtree(old, ignore_errors=True)


def clear_leftovers(folder: Path, of_any_machine: bool = False) -> None:
    """Remove what a process that was killed has left in a folder under passing names.

    An older folder that was just being replaced gets its name back. What belongs to a living process stays.

    Args:
        folder: The folder.
        of_any_machine: Nobody else writes there: what is left by another machine, of whose processes nothing
            is known here, goes as well.
    """
    for entry in os.scandir(folder):
        found = _LEFTOVER.fullmatch(entry.name)
        if found is None or (_lives(int(found["pid"])) if found["host"] == HOST else not of_any_machine):
            continue
        path = Path(entry.path)
        target = path.with_name(found["name"])
        if found["kind"] == "old" and not target.exists():
            path.rename(target)
        elif entry.is_dir(follow_symlinks=False):
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)


@lru_cache(maxsize=1024)
def _clear_once(folder: Path) -> None:
    """Clear a folder, but not again with each of the many files that a process may write there."""
    clear_leftovers(folder)


def _owner(pid: int) -> str:
    return f"{HOST}-{pid}"


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass  # it is somebody else's
    return True


def is_whole(path: str | Path) -> bool:
    """Whether a zip archive, as torch writes its files, can be read to its end and its check sums hold."""
    try:
        with zipfile.ZipFile(path) as archive:
            return archive.testzip() is None
    except (OSError, EOFError, zipfile.BadZipFile, zlib.error, RuntimeError, ValueError):
        return False
