"""Converts a training snapshot of the authors: `official_to_mmengine.py network-snapshot-025000.pkl OUT.pth`.

Writes OUT.pth, a checkpoint of our own kind, and OUT.py beside it, the config that belongs to it; both go
to tools/test.py, tools/render.py, the inferencer, and as `load_from` into training. Nothing in the
snapshot is executed. One that does not map tensor by tensor is refused, with the list of what does not.
How often each class occurs is not in a snapshot: labels are drawn evenly until training sees the data.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from projects.threedgp import command_line
from projects.threedgp.errors import user_errors


def parse_arguments(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """The command line; a snapshot that does not exist ends here, and an output that does."""
    parser = command_line.make_parser(__doc__)
    parser.add_argument("snapshot", type=command_line.existing_file, help="network-snapshot-*.pkl")
    parser.add_argument(
        "out", type=command_line.checkpoint_name, metavar="OUT.pth", help="OUT.py is written beside it"
    )
    command_line.add_overwrite(parser)
    args = parser.parse_args(argv)
    command_line.refuse_existing(parser, args.overwrite, args.out, args.out.with_suffix(".py"))
    return args


def main(argv: Sequence[str] | None = None) -> None:
    """Converts the snapshot of the command line."""
    args = parse_arguments(argv)
    from projects.threedgp.official.conversion import from_official

    for line in from_official(args.snapshot, args.out):
        print(line)


if __name__ == "__main__":
    with user_errors():
        main()
