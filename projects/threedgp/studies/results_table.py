"""The table of results: published numbers, the toolkit's, and those measured here, from metrics.json."""

import csv
import io
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import UserError
from .published import PublishedRow, PublishedTable

METRICS_FILE = "metrics.json"
FID, IS = "FID/fid", "IS/is"


@dataclass(frozen=True)
class Measured:
    """What a metrics.json says of a row; numbers are text, empty if it was not measured.

    Args:
        fid: FID with the Inception network: one with a stand-in has another name, and is none.
        is_: Inception score, likewise.
        protocol: Number of samples and reals, and where the file is.
        remark: Why there is no number, if that may surprise.
    """

    fid: str = ""
    is_: str = ""
    protocol: str = ""
    remark: str = ""


@dataclass(frozen=True)
class Column:
    """A column of the table.

    Args:
        title: Its head.
        source: ``row`` or ``measured``.
        field: What it shows of that.
        always: Show it also where all of it is empty.
    """

    title: str
    source: str
    field: str
    always: bool = False


COLUMNS = (
    Column("model", "row", "title", always=True),
    Column("kind", "row", "kind"),
    Column("cost", "row", "cost"),
    Column("FID ↓, published", "row", "fid"),
    Column("IS ↑, published", "row", "is_"),
    Column("FID, toolkit", "row", "toolkit_fid"),
    Column("IS, toolkit", "row", "toolkit_is"),
    Column("FID, measured here", "measured", "fid", always=True),
    Column("IS, measured here", "measured", "is_", always=True),
    Column("measured", "measured", "protocol"),
    Column("note", "row", "note"),
)


def read_measured(path: Path) -> Measured:
    """Read what tools/test.py or tools/evaluate_folder.py left.

    Args:
        path: A metrics.json, or a folder with one.

    Raises:
        UserError: If there is none, or it is none of the kind.
    """
    file = path / METRICS_FILE if path.is_dir() else path
    if not file.is_file():
        raise UserError(f"{path}: no {METRICS_FILE} there, wanted what tools/test.py writes")
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
        metrics = {name: float(value) for name, value in content["metrics"].items()}
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise UserError(f"{file}: is no {METRICS_FILE} of tools/test.py ({error!r})") from error
    fid, is_ = (f"{metrics[name]:.2f}" if name in metrics else "" for name in (FID, IS))
    protocol = _protocol_text(content, file) if fid or is_ else ""
    return Measured(fid, is_, protocol, "" if fid else _why_not(file, metrics))


def _why_not(file: Path, metrics: Mapping[str, float]) -> str:
    others = sorted(name for name in metrics if name.endswith("/fid"))
    if others:
        return f"{file}: holds {', '.join(others)}, which is no FID with the Inception network; left empty"
    return f"{file}: holds no {FID}; left empty"


def _protocol_text(content: Mapping[str, Any], file: Path) -> str:
    """``50000 samples, 1281167 reals of data/train; work_dirs/3dgp``, as far as the file tells."""
    protocol = content.get("protocol")
    counts = protocol.get("metrics", {}).get("FID", {}) if isinstance(protocol, Mapping) else {}
    parts = [f"{counts[kind]} {kind}" for kind in ("samples", "reals") if kind in counts]
    if content.get("data_root"):
        parts.append(f"of {content['data_root']}" if parts else str(content["data_root"]))
    return f"{', '.join(parts).replace(', of', ' of')}; {file.parent}".removeprefix("; ")


def find_measured(row: PublishedRow, folder: Path) -> list[Path]:
    """Find the files of a row: below a folder of its name, or of one of its configs; the newest last.

    Args:
        row: The row.
        folder: Where runs are.
    """
    names = {row.name, *row.configs}
    found = [
        file for file in folder.rglob(METRICS_FILE) if names.intersection(file.relative_to(folder).parts[:-1])
    ]
    return sorted(found, key=lambda file: (file.stat().st_mtime, str(file)))


def collect(
    tables: Sequence[PublishedTable], given: Mapping[str, Path], folder: Path | None
) -> tuple[dict[str, Measured], list[str]]:
    """Return what was measured of each row that has something, and what someone should know about it.

    Args:
        tables: The tables.
        given: Files or folders of rows by their name.
        folder: Where to look for those of other rows; None for nowhere.

    Raises:
        UserError: If a name is that of no row, or a given file is none of the kind.
    """
    rows = {row.name: row for table in tables for row in table.rows}
    if unknown := sorted(given.keys() - rows.keys()):
        raise UserError(f"--run {unknown[0]}=...: no such row, wanted one of {', '.join(rows)}")
    measured, remarks = {}, []
    for name, row in rows.items():
        files = [given[name]] if name in given else find_measured(row, folder) if folder else []
        if not files:
            continue
        measured[name] = read_measured(files[-1])
        remarks += [measured[name].remark] * bool(measured[name].remark)
        if len(files) > 1:
            remarks.append(f"{name}: took {files[-1]}, the newest of {len(files)}; --run {name}=... chooses")
    return measured, remarks


def cells_of(table: PublishedTable, measured: Mapping[str, Measured]) -> Iterator[list[str]]:
    """Yield the cells of each row, in all columns."""
    for row in table.rows:
        sources = {"row": row, "measured": measured.get(row.name, Measured())}
        yield [getattr(sources[column.source], column.field) for column in COLUMNS]


def table_markdown(table: PublishedTable, measured: Mapping[str, Measured]) -> str:
    """One table with its protocol and source; columns without any content are left out, but for ours."""
    rows = list(cells_of(table, measured))
    shown = [i for i, column in enumerate(COLUMNS) if column.always or any(row[i] for row in rows)]
    lines = [f"### {table.title}", "", f"Published: {table.protocol}. Source: {table.source}.", ""]
    lines.append("| " + " | ".join(COLUMNS[i].title for i in shown) + " |")
    lines.append("|" + "|".join("--:" if _is_number(COLUMNS[i]) else "---" for i in shown) + "|")
    lines += ["| " + " | ".join(row[i] for i in shown) + " |" for row in rows]
    return "\n".join(lines) + "\n"


def _is_number(column: Column) -> bool:
    return column.field in ("cost", "fid", "is_", "toolkit_fid", "toolkit_is")


def tables_csv(tables: Sequence[PublishedTable], measured: Mapping[str, Measured]) -> str:
    """All tables as one, a line for each row."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["table", "name", *(f"{column.source}.{column.field.rstrip('_')}" for column in COLUMNS)])
    for table in tables:
        for row, cells in zip(table.rows, cells_of(table, measured), strict=True):
            writer.writerow([table.name, row.name, *cells])
    return text.getvalue()
