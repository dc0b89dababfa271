"""Plots what a training run logged: `python tools/plot_logs.py work_dirs/3dgp_toy64`.

Reads every `vis_data/scalars.json` under the work folder (a resumed run has several) and draws one panel per
kind of value, and one per camera parameter, into `curves.png`. Works on a run that is still going.
"""

import sys
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from projects.threedgp import command_line
from projects.threedgp.errors import user_errors


def main(argv: Sequence[str] | None = None) -> None:
    """Plots the run of the command line and prints the picture's path."""
    parser = command_line.make_parser(__doc__)
    parser.add_argument("work_dir", type=Path, help="work folder of a training run")
    parser.add_argument("--out", type=Path, help="the picture (default: WORK_DIR/curves.png)")
    args = parser.parse_args(argv)
    from projects.threedgp.engine.curves import collect_curves, find_logs, plot_curves, read_records

    out = args.out or args.work_dir / "curves.png"
    plot_curves(collect_curves(read_records(find_logs(args.work_dir))), out)
    print(f"curves: {out}")


if __name__ == "__main__":
    with user_errors():
        main()
