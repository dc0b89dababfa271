"""The part of the command line that studies share."""

import argparse
from dataclasses import replace
from pathlib import Path

from ..command_line import existing_folder
from .sizes import SIZES, Size


def add_study_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the folders, the seeds and the size."""
    parser.add_argument("data", type=lambda text: Path(existing_folder(text)), help="folder of prepare.py")
    parser.add_argument("out", type=Path, help="folder of the runs and the results")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1], help="default: 0 1")
    parser.add_argument("--size", choices=SIZES, default="cpu", help="length of the runs (default cpu)")
    parser.add_argument("--kimg", type=float, help="another length, thousands of images")
    parser.add_argument("--val-kimg", type=float, help="another interval of validations")
    parser.add_argument("--jobs", type=int, help="runs at a time (default: by size)")


def chosen_size(args: argparse.Namespace) -> Size:
    """The size that the command line asks for."""
    size = SIZES[args.size]
    chosen = {"kimg": args.kimg, "val_interval_kimg": args.val_kimg}
    return replace(size, **{name: value for name, value in chosen.items() if value is not None})
