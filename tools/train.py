"""Trains a config: `python tools/train.py configs/3dgp_toy64.py --data-root data/toy64/train`."""

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
    parser.add_argument("config", type=command_line.existing_file, help="a file of configs/")
    parser.add_argument(
        "--resume",
        nargs="?",
        const="auto",
        type=command_line.checkpoint_or_auto,
        metavar="CHECKPOINT",
        help="continue from this checkpoint, or without a value from the work folder's last one",
    )
    parser.add_argument(
        "--overwrite",
        action="store_true",
        help="remove the checkpoints of an earlier training in the work folder",
    )
    command_line.add_run_arguments(parser)
    args = parser.parse_args(argv)
    if args.resume and args.overwrite:
        parser.error("--resume continues a training that --overwrite removes; wanted one of them")
    return args


def main(argv: Sequence[str] | None = None) -> None:
    """Trains the config of the command line."""
    args = parse_arguments(argv)
    from projects.threedgp.engine import launch

    config = launch.load_config(args)
    launch.prepare_training(config, args.resume, args.overwrite)
    launch.join_processes(config, args.launcher, args.local_rank)
    launch.make_runner(config, args.config).train()


if __name__ == "__main__":
    with user_errors():
        main()
