"""What the camera regularisers make of the cameras on their own, without an image.

python tools/studies/regularizers.py data/toy32 work_dirs/learning/regularizers.md

Trains the camera generator of configs/3dgp_toy32.py on its regularisers alone, and on those of an arm that
holds the angles as the release does, and writes how far the cameras spread and how far they are from the true
ones, by the metric that judges trained models. What those have beyond it, they have from the images.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from projects.threedgp.command_line import existing_folder, make_parser
from projects.threedgp.errors import user_errors


def parse_arguments(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """The command line; paths that do not exist end here."""
    parser = make_parser(__doc__)
    parser.add_argument("data", type=lambda text: Path(existing_folder(text)), help="folder of prepare.py")
    parser.add_argument("out", type=Path, help="the Markdown file to write")
    parser.add_argument("--steps", type=int, default=1000, help="default 1000, as runs of size cpu have")
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> None:
    """Trains on regularisers alone and writes what comes of it."""
    args = parse_arguments(argv)
    from projects.threedgp.studies.regularizers import run

    run(args.data, args.out, args.steps)


if __name__ == "__main__":
    with user_errors():
        main()
