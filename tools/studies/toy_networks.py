"""Trains the three small networks that the studies on procedural scenes need.

python tools/studies/toy_networks.py data/toy32 data/toy32/networks

DATA is a folder that tools/data/make_toy_scenes.py wrote. OUT gets:

teacher.pth         a timm `test_resnet`, whose features the discriminators distil
extractor.ts        another classifier, of another kind and seed, in the place of Inception in FID and IS:
                    what comes out is to be called "FID (toy classifier)", and is no FID
depth_estimator.ts  a small U-Net from colour to depth, which judges the depth of generated images
networks.json       how good each of them is on scenes that it has not seen

The extractor is not the teacher, so that no model is judged by what it was taught.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from projects.threedgp.command_line import existing_folder, make_parser
from projects.threedgp.errors import user_errors
from projects.threedgp.studies.arms import NETWORK_FILES


def parse_arguments(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """The command line; paths that do not exist end here."""
    parser = make_parser(__doc__)
    parser.add_argument(
        "data", type=lambda text: Path(existing_folder(text)), help="folder of make_toy_scenes.py"
    )
    parser.add_argument("out", type=Path, help="folder of the networks")
    parser.add_argument("--epochs", type=int, default=10, help="passes over the data (default 10)")
    parser.add_argument("--held-out", type=int, default=1024, help="unseen scenes (default 1024)")
    parser.add_argument(
        "--only", nargs="+", choices=NETWORK_FILES, default=list(NETWORK_FILES), help="default: all"
    )
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> None:
    """Trains the networks of the command line and says how good they are."""
    args = parse_arguments(argv)
    from projects.threedgp.studies.toy_networks import train_networks

    train_networks(args.data, args.out, args.epochs, args.held_out, args.only)


if __name__ == "__main__":
    with user_errors():
        main()
