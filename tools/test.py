"""Evaluates a checkpoint: `python tools/test.py work_dirs/3dgp_toy64/iter_1000.pth`.

The metrics go beside the checkpoint (or into the config's work folder, or into --out) as metrics.json and
as a table, metrics.md.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from projects.threedgp import command_line
from projects.threedgp.errors import user_errors


def parse_arguments(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """The command line; paths that do not exist end here."""
    parser = command_line.make_parser(__doc__)
    command_line.add_checkpoint_arguments(parser)
    parser.add_argument(
        "--out", type=command_line.output_folder, help="where the metrics go (default: the work folder)"
    )
    command_line.add_run_arguments(parser)
    return parser.parse_intermixed_args(argv)


def main(argv: Sequence[str] | None = None) -> None:
    """Evaluates the checkpoint of the command line and writes its metrics."""
    args = parse_arguments(argv)
    from projects.threedgp.engine import launch

    config = launch.load_config(args)
    config.load_from, config.resume = args.checkpoint, False
    launch.join_processes(config, args.launcher, args.local_rank)
    name = args.config or "as stored in the checkpoint"
    runner = launch.make_runner(config, name)
    metrics = launch.run_test(runner)
    about = {"config": name, "checkpoint": args.checkpoint, **launch.about_test(runner)}
    for path in launch.save_metrics(metrics, args.out or config.work_dir, **about):
        print(f"metrics: {path}")


if __name__ == "__main__":
    with user_errors():
        main()
