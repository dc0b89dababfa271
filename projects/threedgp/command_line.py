"""Arguments that the command-line tools share; imports nothing heavy, so that ``--help`` answers at once."""

import argparse
import math
import os
from collections.abc import Callable
from pathlib import Path


def existing_file(path: str) -> str:
    """`path` itself if it is a file or a URL; made for argparse's `type`.

    Raises:
        argparse.ArgumentTypeError: There is no such file.
    """
    if "://" not in path and not Path(path).is_file():
        raise argparse.ArgumentTypeError(f"file {path!r} does not exist (looked from {os.getcwd()})")
    return path


def existing_folder(path: str) -> str:
    """`path` itself if it is a folder with something in it; made for argparse's `type`.

    Raises:
        argparse.ArgumentTypeError: There is no such folder, or it is empty.
    """
    if not Path(path).is_dir():
        raise argparse.ArgumentTypeError(f"folder {path!r} does not exist (looked from {os.getcwd()})")
    if not any(Path(path).iterdir()):
        raise argparse.ArgumentTypeError(f"folder {path!r} is empty")
    return path


def output_folder(path: str) -> str:
    """`path` itself if files can be written into such a folder; made for argparse's `type`.

    Raises:
        argparse.ArgumentTypeError: It is or lies in a file, or in a folder that cannot be written.
    """
    there = next(part for part in (Path(path), *Path(path).absolute().parents) if part.exists())
    if not there.is_dir():
        raise argparse.ArgumentTypeError(f"got {path!r}, wanted a folder; {str(there)!r} is a file")
    if not os.access(there, os.W_OK | os.X_OK):
        raise argparse.ArgumentTypeError(f"got {path!r}, wanted a folder; {str(there)!r} cannot be written")
    return path


def checkpoint_or_auto(value: str) -> str:
    """`auto` or an existing checkpoint; made for argparse's `type`."""
    return value if value == "auto" else existing_file(value)


def checkpoint_name(value: str) -> Path:
    """A path that ends in .pth, beside which a config of the same name can lie; for argparse's `type`."""
    return _name_with(value, ".pth")


def weights_name(value: str) -> Path:
    """A path that ends in .safetensors, as readers go by it; for argparse's `type`."""
    return _name_with(value, ".safetensors")


def _name_with(value: str, ending: str) -> Path:
    if not value.endswith(ending):
        raise argparse.ArgumentTypeError(f"got {value}, wanted a name that ends in {ending}")
    return Path(value)


def add_overwrite(parser: argparse.ArgumentParser) -> None:
    """Add the argument without which files that are there already stay."""
    parser.add_argument("--overwrite", action="store_true", help="replace what is there already")


def refuse_existing(parser: argparse.ArgumentParser, overwrite: bool, *paths: Path) -> None:
    """End with the usage if a file would be replaced that nobody said may be."""
    existing = [path for path in paths if path.exists()]
    if existing and not overwrite:
        parser.error(f"{existing[0]} exists already; wanted a new name, or --overwrite")


def more_than(limit: int, kind: Callable[[str], float] = int) -> Callable[[str], float]:
    """A reader of finite numbers above `limit`; made for argparse's `type`."""

    def number(text: str) -> float:
        value = kind(text)
        if not limit < value < math.inf:
            raise argparse.ArgumentTypeError(f"got {text}, wanted a number above {limit}")
        return value

    return number


def finite(text: str) -> float:
    """A finite number; made for argparse's `type`."""
    value = float(text)
    if not math.isfinite(value):
        raise argparse.ArgumentTypeError(f"got {text}, wanted a finite number")
    return value


def grid_shape(text: str) -> tuple[int, int]:
    """Rows and columns of e.g. `4x4`; made for argparse's `type`."""
    parts = text.lower().split("x")
    if len(parts) != 2 or not all(part.isdigit() and int(part) > 0 for part in parts):
        raise argparse.ArgumentTypeError(f"got {text!r}, wanted ROWSxCOLUMNS, e.g. 4x4")
    return int(parts[0]), int(parts[1])


def make_parser(description: str | None) -> argparse.ArgumentParser:
    """A parser that shows its description as it is written."""
    return argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )


def add_checkpoint_arguments(parser: argparse.ArgumentParser) -> None:
    """Add `[CONFIG] CHECKPOINT`; a parser with them parses with `parse_intermixed_args`."""
    parser.add_argument(
        "config", nargs="?", type=existing_file, help="a file of configs/ (default: as the checkpoint says)"
    )
    parser.add_argument("checkpoint", type=existing_file, help="a checkpoint of a training")


def add_run_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments that training and evaluation share."""
    parser.add_argument(
        "--work-dir", type=output_folder, help="where results go (default: work_dirs/<config name>)"
    )
    parser.add_argument(
        "--data-root",
        type=existing_folder,
        help="points every loader and metric of the config at this folder",
    )
    add_config_options(parser)
    parser.add_argument("--launcher", choices=["none", "pytorch", "slurm", "mpi"], default="none")
    parser.add_argument("--local_rank", "--local-rank", type=int, help="set by torch's launcher")


def add_config_options(parser: argparse.ArgumentParser) -> None:
    """Add the argument that overrides parts of the config."""
    parser.add_argument(
        "--cfg-options",
        nargs="+",
        action="extend",
        default=[],
        metavar="KEY=VALUE",
        help="overrides of the config, e.g. train_cfg.total_kimg=100",
    )
