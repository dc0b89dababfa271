"""Study 1: does it learn 3D? The full model against models that lack one of its ideas each.

python tools/studies/prepare.py data/toy32
python tools/studies/learns_3d.py data/toy32 work_dirs/learning

Trains every model with every seed, evaluates it, and writes into OUT: runs.csv (a line for each run),
table.md (a line for each model), claims.md (each claim of the paper, seed by seed), curves.png, cameras.png
and samples.png. An interrupted study goes on where it was; finished runs are not done again.
"""

import sys
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from projects.threedgp.command_line import make_parser
from projects.threedgp.errors import user_errors
from projects.threedgp.studies.command import add_study_arguments, chosen_size


def main(argv: Sequence[str] | None = None) -> None:
    """Runs the study of the command line."""
    parser = make_parser(__doc__)
    add_study_arguments(parser)
    args = parser.parse_args(argv)
    from projects.threedgp.studies.learns_3d import run

    run(args.data, args.out, args.seeds, chosen_size(args), args.jobs)


if __name__ == "__main__":
    with user_errors():
        main()
