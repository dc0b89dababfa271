"""Trains a config: `python tools/train.py configs/3dgp_toy64.py --data-root data/toy64/train`."""

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
    parser.add_argument(
        "--resume",
        nargs="?",
        const="auto",
        type=launch.checkpoint_or_auto,
        metavar="CHECKPOINT",
        help="continue from this checkpoint, or without a value from the work folder's last one",
    )
    launch.add_run_arguments(parser)
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> None:
    """Trains the config of the command line."""
    args = parse_arguments(argv)
    config = launch.load_config(args)
    launch.apply_resume(config, args.resume)
    launch.join_processes(config, args.launcher, args.local_rank)
    Runner.from_cfg(config).train()


if __name__ == "__main__":
    main()
