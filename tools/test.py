"""Evaluates a checkpoint: `python tools/test.py configs/3dgp_toy64.py work_dirs/toy/iter_1.pth`.

The metrics go into the work folder, or into --out, as metrics.json and as a table, metrics.md.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from mmengine.runner import Runner

from projects.threedgp.engine import launch


def parse_arguments(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """The command line; paths that do not exist end here."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("config", type=launch.existing_file, help="a file of configs/")
    parser.add_argument("checkpoint", type=launch.existing_file, help="a checkpoint of its training")
    parser.add_argument("--out", help="where the metrics go (default: the work folder)")
    launch.add_run_arguments(parser)
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> None:
    """Evaluates the checkpoint of the command line and writes its metrics."""
    args = parse_arguments(argv)
    config = launch.load_config(args)
    config.load_from, config.resume = args.checkpoint, False
    launch.join_processes(config, args.launcher, args.local_rank)
    runner = Runner.from_cfg(config)
    metrics = launch.run_test(runner)
    about = {"config": args.config, "checkpoint": args.checkpoint, **launch.about_test(runner)}
    for path in launch.save_metrics(metrics, args.out or config.work_dir, **about):
        print(f"metrics: {path}")


if __name__ == "__main__":
    main()
