"""The table of results: `python tools/table.py --run eg3d=work_dirs/eg3d_imagenet256 --out work_dirs/table`.

Published numbers with their protocol, the toolkit's own, and beside them what was measured here: from the
metrics.json that tools/test.py and tools/evaluate_folder.py write, given by --run or found in a folder of
the row's or its config's name. What was not measured stays empty. A FID of a stand-in network is not one.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from projects.threedgp import command_line
from projects.threedgp.errors import user_errors


def parse_arguments(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = command_line.make_parser(__doc__)
    add = parser.add_argument
    add(
        "--run",
        dest="runs",
        type=named_path,
        nargs="+",
        action="extend",
        default=[],
        metavar="NAME=PATH",
        help="metrics.json of a row, or its folder",
    )
    add(
        "--work-dirs",
        type=Path,
        default=Path("work_dirs"),
        help="where to look for others (default: work_dirs)",
    )
    add("--tables", nargs="+", metavar="NAME", help="such as imagenet256 (default: all)")
    add("--out", type=Path, help="folder for table.md and table.csv (default: print only)")
    return parser.parse_args(argv)


def named_path(text: str) -> tuple[str, Path]:
    """Name and path of NAME=PATH; for argparse's `type`."""
    name, equals, path = text.partition("=")
    if not (name and equals and path):
        raise argparse.ArgumentTypeError(f"got {text!r}, wanted NAME=PATH")
    return name, Path(path)


def main(argv: Sequence[str] | None = None) -> None:
    """Prints the tables, and writes them if they have a place to go."""
    args = parse_arguments(argv)
    from projects.threedgp.studies.published import choose_tables, load_published
    from projects.threedgp.studies.results_table import collect, table_markdown, tables_csv
    from projects.threedgp.whole_files import write_text

    tables = choose_tables(load_published(), args.tables)
    measured, remarks = collect(tables, dict(args.runs), args.work_dirs)
    text = "\n".join(table_markdown(table, measured) for table in tables)
    print(text)
    for remark in remarks:
        print(f"remark: {remark}", file=sys.stderr)
    if args.out:
        write_text(args.out / "table.md", text)
        write_text(args.out / "table.csv", tables_csv(tables, measured))
        print(f"table: {args.out / 'table.md'}, {args.out / 'table.csv'}", file=sys.stderr)


if __name__ == "__main__":
    with user_errors():
        main()
