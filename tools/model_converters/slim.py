"""Makes a small file of a checkpoint, for sampling only: `slim.py [CONFIG] CHECKPOINT OUT.pth`.

Writes OUT.pth, the averaged generator, and, beside it, OUT.py, the config that belongs to it and to nothing
else. tools/render.py and the inferencer take OUT.pth alone, or with either config. Training cannot go on from
it, and tools/test.py with the training's config refuses it.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from projects.threedgp import command_line
from projects.threedgp.errors import user_errors


def parse_arguments(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """The command line; paths that do not exist end here, and outputs that do."""
    parser = command_line.make_parser(__doc__)
    command_line.add_checkpoint_arguments(parser)
    add = parser.add_argument
    add("out", type=command_line.checkpoint_name, metavar="OUT.pth", help="OUT.py is written beside it")
    add("--dtype", choices=["float16", "float32"], default="float16", help="of weights (default: float16)")
    command_line.add_overwrite(parser)
    args = parser.parse_intermixed_args(argv)
    command_line.refuse_existing(parser, args.overwrite, args.out, args.out.with_suffix(".py"))
    return args


def main(argv: Sequence[str] | None = None) -> None:
    """Slims the checkpoint of the command line."""
    args = parse_arguments(argv)
    from projects.threedgp.apis.slim import slim

    for line in slim(args.config, args.checkpoint, args.out, args.dtype):
        print(line)


if __name__ == "__main__":
    with user_errors():
        main()
