"""Makes all that the studies need: scenes, depth of other inexactness, networks, the teacher's features.

python tools/studies/prepare.py data/toy32

What is there already stays. The solids do not turn (`--object-yaw constant:0`), so that yaw is the camera's
alone and can be learned, and the cameras are a narrower choice than the prior of configs/3dgp_toy32.py.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from projects.threedgp.command_line import make_parser
from projects.threedgp.errors import user_errors


def parse_arguments(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = make_parser(__doc__)
    parser.add_argument("data", type=Path, help="the folder to make")
    parser.add_argument("--num", type=int, default=4096, help="scenes (default 4096)")
    parser.add_argument("--resolution", type=int, default=32, help="side in pixels (default 32)")
    parser.add_argument("--epochs", type=int, default=8, help="training of the networks (default 8)")
    parser.add_argument("--held-out", type=int, default=1024, help="scenes to judge them (default 1024)")
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> None:
    """Makes what is missing."""
    args = parse_arguments(argv)
    from projects.threedgp.studies.prepare import prepare

    prepare(args.data, args.num, args.resolution, args.epochs, args.held_out)


if __name__ == "__main__":
    with user_errors():
        main()
