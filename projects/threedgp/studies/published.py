"""Published numbers, from published.toml beside this file."""

import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ..errors import UserError

FILE = Path(__file__).with_name("published.toml")


@dataclass(frozen=True)
class PublishedRow:
    """What is published of a model; numbers are text, as precise as they were given, empty if there is none.

    Args:
        name: What the command line calls it; unique among all tables.
        title: What tables call it.
        kind: ``2D``, ``3D-aware`` or ``3D``.
        fid: FID by whoever published the table.
        is_: Inception score, likewise.
        cost: Training, A100 days.
        toolkit_fid: FID that the toolkit gives for its weights.
        toolkit_is: Inception score, likewise.
        configs: Configs here that train or evaluate it.
        note: What else one should know.
    """

    name: str
    title: str
    kind: str
    fid: str = ""
    is_: str = ""
    cost: str = ""
    toolkit_fid: str = ""
    toolkit_is: str = ""
    configs: tuple[str, ...] = ()
    note: str = ""


@dataclass(frozen=True)
class PublishedTable:
    """Rows of one protocol.

    Args:
        name: What the command line calls it.
        title: Its head.
        protocol: How the numbers were taken.
        source: Where they were published.
        rows: The rows.
    """

    name: str
    title: str
    protocol: str
    source: str
    rows: tuple[PublishedRow, ...]


def load_published(file: Path = FILE) -> tuple[PublishedTable, ...]:
    """Read the tables."""
    tables = tomllib.loads(file.read_text(encoding="utf-8"))["table"]
    return tuple(PublishedTable(**{**table, "rows": tuple(map(_row, table["rows"]))}) for table in tables)


def _row(entries: dict) -> PublishedRow:
    renamed = {"is_" if name == "is" else name: value for name, value in entries.items()}
    return PublishedRow(**{**renamed, "configs": tuple(entries.get("configs", ()))})


def choose_tables(
    tables: tuple[PublishedTable, ...], names: Sequence[str] | None
) -> tuple[PublishedTable, ...]:
    """Return the tables of these names; all for None.

    Raises:
        UserError: If there is none of a name.
    """
    known = {table.name: table for table in tables}
    for name in names or []:
        if name not in known:
            raise UserError(f"--tables {name}: no such table, wanted some of {', '.join(known)}")
    return tables if names is None else tuple(known[name] for name in names)
