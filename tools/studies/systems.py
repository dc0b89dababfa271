"""Study 6: the systems of the results table on procedural scenes, at equal numbers of images.

python tools/studies/prepare.py data/toy32
python tools/studies/systems.py run data/toy32 work_dirs/systems --kimg 8
python tools/studies/systems.py table data/toy32 work_dirs/systems

`run` trains the config of every system with every seed, one after the other, and evaluates it; an interrupted
study goes on where it was, and finished runs are not done again. `table` writes into OUT, of the runs that
are finished: runs.csv (a line for each run), table.md (a line for each system: mean and range over the seeds)
and claims.md (each ordering of two systems in the published table, seed by seed). `run` ends with `table`.

CONFIG are names of configs, such as eg3d_toy32; by default all systems. All are trained with the same
scenes, seeds and batch size, and measured by the same metrics.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from projects.threedgp.command_line import make_parser
from projects.threedgp.errors import user_errors
from projects.threedgp.studies.arms import SYSTEMS
from projects.threedgp.studies.command import add_study_arguments, chosen_size


def parse_arguments(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """The command line; paths that do not exist end here."""
    parser = make_parser(__doc__)
    parser.add_argument("action", choices=["run", "table"])
    add_study_arguments(parser)
    parser.add_argument("configs", nargs="*", metavar="CONFIG", help=f"default: {' '.join(SYSTEMS)}")
    return parser.parse_intermixed_args(argv)


def main(argv: Sequence[str] | None = None) -> None:
    """Runs the study of the command line, or makes its tables."""
    args = parse_arguments(argv)
    from projects.threedgp.studies.systems import run

    run(args.action, args.data, args.out, args.configs or SYSTEMS, args.seeds, chosen_size(args), args.jobs)


if __name__ == "__main__":
    with user_errors():
        main()
