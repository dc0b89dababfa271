"""Study 2: does distillation speed up convergence? FID against images seen, without it, with L2, with KL.

python tools/studies/prepare.py data/toy32
python tools/studies/convergence.py data/toy32 work_dirs/learning

For 3DGP and for the toolkit's StyleGAN2. Shares the runs of learns_3d.py in the same OUT. Writes
convergence.csv (FID of each run after each validation), convergence_3d.png, convergence_2d.png, and
convergence.md: the FID of each arm at the end, and how many images it took to reach what the arm without
distillation reached.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from projects.threedgp.command_line import make_parser
from projects.threedgp.errors import user_errors
from projects.threedgp.studies.arms import FAMILIES
from projects.threedgp.studies.command import add_study_arguments, chosen_size


def parse_arguments(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """The command line; paths that do not exist end here."""
    parser = make_parser(__doc__)
    add_study_arguments(parser)
    parser.add_argument(
        "--families", nargs="+", choices=FAMILIES, default=list(FAMILIES), help="default: all"
    )
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> None:
    """Runs the study of the command line."""
    args = parse_arguments(argv)
    from projects.threedgp.studies.convergence import run

    run(args.data, args.out, args.seeds, chosen_size(args), args.jobs, args.families)


if __name__ == "__main__":
    with user_errors():
        main()
