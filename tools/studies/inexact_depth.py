"""Study 4: when does the depth adaptor help? Models with it and without, on depth of growing inexactness.

python tools/studies/prepare.py data/toy32
python tools/studies/inexact_depth.py data/toy32 work_dirs/learning

Inexactness is a factor on the errors of the depth (bent values, moved content, blur, smooth error); at 0
scale and shift are still lost, and 5 % of the maps useless. Shares the runs of learns_3d.py in the same OUT:
the depth of the scenes has inexactness 1. Writes into OUT/inexact_depth runs.csv (a line for each run),
table.md, claims.md (the adaptor's advantage, seed by seed) and curves.png.
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
    from projects.threedgp.studies.inexact_depth import run

    run(args.data, args.out, args.seeds, chosen_size(args), args.jobs)


if __name__ == "__main__":
    with user_errors():
        main()
