"""What the command-line tools share: a run's config, its processes, and the metrics it leaves."""

import argparse
import json
import math
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
import torch.distributed
from mmengine.config import Config, DictAction
from mmengine.dist import is_main_process
from mmengine.hooks import Hook
from mmengine.runner import Runner

from ..whole_files import whole_file

DATA_SECTIONS = (
    *("train_dataloader", "val_dataloader", "test_dataloader"),
    *("val_evaluator", "test_evaluator"),
)


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


def checkpoint_or_auto(value: str) -> str:
    """`auto` or an existing checkpoint; made for argparse's `type`."""
    return value if value == "auto" else existing_file(value)


def add_run_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the arguments that training and evaluation share."""
    parser.add_argument("--work-dir", help="where results go (default: work_dirs/<config name>)")
    parser.add_argument(
        "--data-root", type=existing_folder, help="points every loader of the config at this folder"
    )
    add_config_options(parser)
    parser.add_argument("--launcher", choices=["none", "pytorch", "slurm", "mpi"], default="none")
    parser.add_argument("--local_rank", "--local-rank", type=int, help="set by torch's launcher")


def add_config_options(parser: argparse.ArgumentParser) -> None:
    """Adds the argument that overrides parts of the config."""
    parser.add_argument(
        "--cfg-options",
        nargs="+",
        action=DictAction,
        metavar="KEY=VALUE",
        help="overrides of the config, e.g. train_cfg.max_iters=100",
    )


def load_config(args: argparse.Namespace) -> Config:
    """The config that the shared arguments describe.

    Args:
        args: Arguments of `add_run_arguments`, and `config`, a path.

    Raises:
        ValueError: `--data-root` is given and no loader of the config has a `data_root`.
    """
    config = Config.fromfile(args.config)
    if args.data_root:
        redirect_data_root(config, args.data_root)
    if args.cfg_options:
        config.merge_from_dict(args.cfg_options)
    config.work_dir = args.work_dir or config.get("work_dir") or default_work_dir(args.config)
    return config


def default_work_dir(config_path: str) -> str:
    """Where a run of this config goes if nobody says otherwise."""
    return os.path.join("work_dirs", Path(config_path).stem)


def redirect_data_root(config: Config, data_root: str) -> None:
    """Points every dataset in the loaders and the metrics of a config at one folder.

    Args:
        config: The config; changed in place.
        data_root: The folder every `data_root` becomes.

    Raises:
        ValueError: The config has no `data_root` there.
    """
    found = [owner for key in DATA_SECTIONS for owner in _owners_of_data_root(config.get(key))]
    if not found:
        raise ValueError(f"--data-root {data_root}: no loader of {config.filename} has a data_root")
    for owner in found:
        owner["data_root"] = data_root


def _owners_of_data_root(node: Any) -> Iterator[dict]:
    """Every dictionary under `node` with a `data_root` key."""
    if isinstance(node, dict):
        if "data_root" in node:
            yield node
        for child in node.values():
            yield from _owners_of_data_root(child)
    elif isinstance(node, list | tuple):
        for child in node:
            yield from _owners_of_data_root(child)


def apply_resume(config: Config, resume: str | None) -> None:
    """Sets where a training run starts from.

    Args:
        config: The config; changed in place.
        resume: None leaves the config as it is, `auto` continues from the work folder's last
            checkpoint if there is one, a path continues from that checkpoint.
    """
    if resume is None:
        return
    config.resume = True
    config.load_from = None if resume == "auto" else resume


def join_processes(config: Config, launcher: str, local_rank: int | None = None) -> None:
    """Makes the config fit for its launcher, and on CPU starts the process group as well.

    mmengine's launchers ask CUDA for a device in any case. Without CUDA the group is therefore made
    here, with gloo, before the Runner would do it, and DDP is told to place nothing on a device.

    Args:
        config: The config; changed in place.
        launcher: `none`, `pytorch`, `slurm` or `mpi`.
        local_rank: The process's number on its machine, if the launcher passes it as an argument.

    Raises:
        ValueError: A launcher other than `pytorch` on a machine without CUDA.
    """
    config.launcher = launcher
    if launcher == "none":
        return
    if local_rank is not None:
        os.environ.setdefault("LOCAL_RANK", str(local_rank))
    if torch.cuda.is_available():
        return
    if launcher != "pytorch":
        raise ValueError(f"launcher {launcher!r} needs CUDA; without it use pytorch")
    if config.get("model_wrapper_cfg") is None:
        config.model_wrapper_cfg = dict(type="MMDistributedDataParallel", broadcast_buffers=False)
    config.model_wrapper_cfg.device_ids = None
    if not torch.distributed.is_initialized():
        torch.distributed.init_process_group("gloo")


class _MetricsKeeper(Hook):
    """Keeps the metrics of a test, which the toolkit's loop hands to its hooks and does not return."""

    def __init__(self) -> None:
        self.metrics: dict[str, float] = {}

    def after_test_epoch(self, runner: Runner, metrics: dict[str, float] | None = None) -> None:
        self.metrics = metrics or {}


def run_test(runner: Runner) -> dict[str, float]:
    """Runs a runner's evaluation.

    Args:
        runner: A runner with a test loop.

    Returns:
        The value of each metric.
    """
    keeper = _MetricsKeeper()
    runner.register_hook(keeper, priority="LOWEST")
    runner.test()
    return keeper.metrics


def save_metrics(metrics: Mapping[str, Any], folder: str | Path, **about: str) -> list[Path]:
    """Writes metrics as `metrics.json` and as a Markdown table, `metrics.md`; rank 0 only.

    Args:
        metrics: Values by name; numbers, or tensors and arrays of one element.
        folder: Where to; made if it is missing.
        **about: What was evaluated, e.g. `config`, `checkpoint`; goes into both files.

    Returns:
        The files written; none on other ranks.
    """
    if not is_main_process():
        return []
    values = {name: float(value) for name, value in metrics.items()}
    strict = {name: value if math.isfinite(value) else str(value) for name, value in values.items()}
    texts = {
        "metrics.json": json.dumps({**about, "metrics": strict}, indent=2) + "\n",
        "metrics.md": markdown_table(values, about),
    }
    for name, text in texts.items():
        write_atomically(Path(folder, name), text)
    return [Path(folder, name) for name in texts]


def markdown_table(metrics: Mapping[str, float], about: Mapping[str, str]) -> str:
    """Metrics as a Markdown table under a line per fact about them."""
    facts = [f"* {name}: `{value}`" for name, value in about.items()]
    rows = [f"| {name} | {value:.6g} |" for name, value in metrics.items()]
    return "\n".join([*facts, "", "| metric | value |", "| --- | ---: |", *rows, ""])


def write_atomically(path: Path, text: str) -> None:
    """Writes a text file that is either the old one or the new one, never half of it."""
    with whole_file(path) as passing:
        passing.write_text(text, encoding="utf-8")
