"""Converts EG3D weights of the toolkit: `eg3d_to_threedgp.py CONFIG CHECKPOINT OUT.pth`.

CONFIG is the toolkit's, such as mmagic::eg3d/eg3d_cvt-official-rgb_ffhq-512x512.py, CHECKPOINT what belongs
to it. Writes OUT.pth, a checkpoint of EG3D as our parts, and OUT.py beside it, its config; both go to
tools/render.py and the inferencer. A checkpoint that does not map tensor by tensor is refused, with the
list of what does not.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from projects.threedgp import command_line
from projects.threedgp.errors import user_errors


def parse_arguments(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """The command line; a checkpoint that does not exist ends here, and an output that does."""
    parser = command_line.make_parser(__doc__)
    parser.add_argument(
        "config", metavar="CONFIG", help="the toolkit's config, a path or mmagic::eg3d/NAME.py"
    )
    parser.add_argument("checkpoint", metavar="CHECKPOINT", help="the toolkit's weights, a path or a URL")
    parser.add_argument(
        "out", type=command_line.checkpoint_name, metavar="OUT.pth", help="OUT.py is written beside it"
    )
    command_line.add_overwrite(parser)
    args = parser.parse_args(argv)
    command_line.refuse_existing(parser, args.overwrite, args.out, args.out.with_suffix(".py"))
    return args


def main(argv: Sequence[str] | None = None) -> None:
    """Converts the checkpoint of the command line."""
    args = parse_arguments(argv)
    from projects.threedgp.official.mmagic_eg3d import from_mmagic

    for line in from_mmagic(args.config, args.checkpoint, args.out):
        print(line)


if __name__ == "__main__":
    with user_errors():
        main()
