"""One vector per image, kept in a memory-mapped array beside a list of image paths."""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

ABSENT = -1
ROWS_AT_ONCE = 4096


def names_path(path: str | Path) -> Path:
    """The text file that names the rows of the table at `path`."""
    return Path(path).with_suffix(".txt")


def write_names(path: Path, names: Iterable[str]) -> None:
    """Write a list of file names, one a line; a name that would break it stands as a JSON string."""
    path.write_text("".join(f"{_as_line(name)}\n" for name in names), encoding="utf-8")


def read_names(path: Path) -> list[str]:
    """Read a list that :func:`write_names` wrote, or a plain one."""
    try:
        lines = path.read_text(encoding="utf-8").split("\n")
    except UnicodeDecodeError as error:
        raise ValueError(f"{path}: got no list of names ({error}), wanted UTF-8") from error
    names = [_as_name(line) for line in (lines if lines[-1] else lines[:-1])]
    if any("\0" in name for name in names):
        raise ValueError(f"{path}: got no list of names (a zero byte is in it), wanted UTF-8")
    return names


def _as_line(name: str) -> str:
    # Quotes mark JSON; what is printable holds no line end of any kind, and no bytes that are no UTF-8.
    return json.dumps(name) if name.startswith('"') or not name.isprintable() else name


def _as_name(line: str) -> str:
    if line.startswith('"') and line.endswith('"'):
        try:
            return str(json.loads(line))
        except json.JSONDecodeError:
            pass  # a plain list may hold such names
    return line


def checksum_of(rows: np.ndarray) -> str:
    """A check sum of the numbers of a table, by which it is told whether a bit of it was lost."""
    known = 0
    for _, block in _blocks_of(rows):
        known = zlib.crc32(block.data, known)
    return f"{known:08x}"


def _blocks_of(rows: np.ndarray) -> Iterator[tuple[int, np.ndarray]]:
    """All rows once, a few at a time, in memory, with the number of the first."""
    for start in range(0, len(rows), ROWS_AT_ONCE):
        yield start, np.ascontiguousarray(rows[start : start + ROWS_AT_ONCE])


class RowTable:
    """Rows of a ``.npy`` array, found by the image path that the sibling ``.txt`` gives them.

    Row ``i`` belongs to line ``i`` of the text file, see :func:`write_names`; the order is free. The array
    stays on disk: worker processes and copies of the table open it again instead of copying it.

    Args:
        path: The ``.npy`` file, a floating-point array of shape (n, d).
        columns: The expected d, None for any.
        field: Name of the config field the path came from, for error messages.

    Raises:
        FileNotFoundError: If the array or its list of names is missing.
        ValueError: If the array is not (n, d) floating point or not finite, or rows and names do not match.
    """

    def __init__(self, path: str | Path, columns: int | None = None, field: str = "path") -> None:
        self.path = Path(path)
        self.field = field
        self._rows: np.memmap | None = None
        self._check_files()
        self._check_array(columns)
        self.checksum = self._check_finite()

    def _check_files(self) -> None:
        for file in (self.path, names_path(self.path)):
            if not file.is_file():
                raise FileNotFoundError(
                    f"{self.field}={str(self.path)!r}: file {file} does not exist; wanted a .npy "
                    "array (n, d) and beside it a .txt with one relative image path per line"
                )

    def _check_array(self, columns: int | None) -> None:
        rows = self.rows
        wanted = f"(n, {columns or 'd'}) floating point"
        if (
            rows.ndim != 2
            or not np.issubdtype(rows.dtype, np.floating)
            or (columns is not None and rows.shape[1] != columns)
        ):
            raise ValueError(
                f"{self.field}={str(self.path)!r}: got an array {rows.shape} of {rows.dtype}, wanted {wanted}"
            )

    def _check_finite(self) -> str:
        """Look at all rows once, a few at a time; returns their check sum."""
        broken: list[int] = []
        known = 0
        for start, rows in _blocks_of(self.rows):
            broken += (start + np.flatnonzero(~np.isfinite(rows).all(axis=1))).tolist()
            known = zlib.crc32(rows.data, known)
        if not broken:
            return f"{known:08x}"
        first = broken[0]
        lines = read_names(names_path(self.path))
        name = lines[first] if first < len(lines) else "?"
        raise ValueError(
            f"{self.field}={str(self.path)!r}: {len(broken)} of {len(self)} rows hold NaN or infinity, the "
            f"first is row {first} ({name}); training on them would stand still without a warning, wanted "
            "finite numbers"
        )

    @property
    def rows(self) -> np.ndarray:
        """The memory-mapped array (n, d)."""
        if self._rows is None:
            try:
                self._rows = np.load(self.path, mmap_mode="r", allow_pickle=False)
            except Exception as error:  # what is no array asks for anything, of NumPy and of the system
                why = f"{self.field}={str(self.path)!r} cannot be read ({error}), wanted a whole .npy array"
                raise ValueError(why) from error
        return self._rows

    @property
    def dim(self) -> int:
        """Length d of a row."""
        return self.rows.shape[1]

    def __len__(self) -> int:
        return self.rows.shape[0]

    def __getitem__(self, row: int) -> Float[Tensor, " d"]:
        return torch.from_numpy(np.array(self.rows[row], dtype=np.float32))

    def rows_of(self, names: Iterable[str]) -> Int[np.ndarray, " k"]:
        """Row of every image name, ``ABSENT`` (-1) where the table has none.

        Args:
            names: Paths relative to the data root, with forward slashes.

        Raises:
            ValueError: If the list of names is not as long as the array, or names a file twice.
        """
        index = self._read_index()
        return np.array([index.get(name, ABSENT) for name in names], dtype=np.int64)

    def _read_index(self) -> dict[str, int]:
        lines = read_names(names_path(self.path))
        index = {name: row for row, name in enumerate(lines)}
        if len(lines) != len(self) or len(index) != len(lines):
            raise ValueError(
                f"{self.field}={str(self.path)!r}: {names_path(self.path)} has {len(lines)} lines "
                f"({len(index)} different), wanted {len(self)} different ones, one per row"
            )
        return index

    def __getstate__(self) -> dict:
        # A pickled memmap becomes a full copy in memory; the file is opened again instead.
        return {**self.__dict__, "_rows": None}
