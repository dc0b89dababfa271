"""From a command line to a run: its config, its processes, its runner, and the metrics it leaves."""

import argparse
import json
import math
import os
from collections.abc import Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import torch
import torch.distributed
from mmengine.config import Config
from mmengine.dist import is_main_process
from mmengine.hooks import Hook
from mmengine.runner import Runner

from ..errors import UserError
from ..evaluation.checks import counts_of, title_of
from ..training.state_dicts import unwrap
from ..whole_files import write_text
from . import work_folder
from .checkpoint_loading import read_checkpoint
from .config_check import check_config
from .console import ConsoleRunner, ProgressHook, parameter_counts
from .preemption_hook import end_with_launcher
from .run_config import merge_options, owners_of_data_root, read_config, redirect_data_root, stored_config
from .training_check import check_training

TRAINING = ("train_dataloader", "train_cfg", "optim_wrapper")
TESTING = ("test_dataloader", "test_cfg", "test_evaluator")
TIMEOUT = 1800
"""Seconds that processes wait for each other, if `env_cfg.dist_cfg.timeout` does not say."""


def load_config(args: argparse.Namespace) -> Config:
    """The config that the shared arguments describe.

    Args:
        args: Arguments of `add_run_arguments`, and `config`, a path; or `checkpoint`, which knows its config.

    Raises:
        UserError: If there is no such config, or it does not take the options.
    """
    config = read_config(args.config) if args.config else stored_config_of(args.checkpoint)
    if args.data_root:
        redirect_data_root(config, args.data_root)
    merge_options(config, args.cfg_options)
    check_config(config)
    config.work_dir = args.work_dir or config.get("work_dir") or default_work_dir(args)
    return config


def stored_config_of(checkpoint: str) -> Config:
    """The config of a checkpoint."""
    return stored_config(read_checkpoint(checkpoint), checkpoint)


def default_work_dir(args: argparse.Namespace) -> str:
    """Where a run goes if nobody says otherwise: by the config's name, else beside the checkpoint."""
    if args.config:
        return os.path.join("work_dirs", Path(args.config).stem)
    checkpoint = Path(args.checkpoint)
    return str(checkpoint.parent / f"test_{checkpoint.stem}")


def make_runner(config: Config, name: str) -> Runner:
    """A runner that shows a person what matters.

    Args:
        config: The config.
        name: What it is called.

    Raises:
        UserError: If it has no model.
    """
    check_sections(config, ("model",), "a run")
    runner = ConsoleRunner.from_cfg(config)
    runner.register_hook(ProgressHook(name), priority="LOWEST")
    return runner


def prepare_training(config: Config, resume: str | None, overwrite: bool = False) -> None:
    """Set where a training run starts from, if it can, and keep others out of its folder.

    Args:
        config: The config; changed in place.
        resume: None leaves the config as it is, `auto` continues from the work folder's last
            checkpoint if there is one, a path continues from that checkpoint.
        overwrite: Remove the checkpoints of an earlier training in the folder.

    Raises:
        UserError: The config is for evaluation only, data and model do not fit, a new training would
            overwrite an earlier one, or another run is in the folder.
    """
    check_sections(config, TRAINING, "training")
    check_training(config)
    work_folder.claim(config.work_dir)
    if resume is None:
        work_folder.spare_earlier_training(config.work_dir, overwrite)
        return
    config.resume = True
    config.load_from = None if resume == "auto" else resume


def check_sections(config: Config, names: Sequence[str], use: str) -> None:
    """Refuse a config that lacks what a use of it needs.

    Args:
        config: The config.
        names: Its sections.
        use: What it is used for.

    Raises:
        UserError: If one of them is missing or None.
    """
    if missing := [name for name in names if not config.get(name)]:
        raise UserError(f"config {config.filename}: got no {', '.join(missing)}, wanted them for {use}")


def join_processes(config: Config, launcher: str, local_rank: int | None = None) -> None:
    """Make the config fit for its launcher, and on CPU start the process group as well.

    mmengine's launchers ask CUDA for a device in any case. Without CUDA the group is therefore made
    here, with gloo, before the Runner would do it, and DDP is told to place nothing on a device.

    Args:
        config: The config; changed in place.
        launcher: `none`, `pytorch`, `slurm` or `mpi`.
        local_rank: The process's number on its machine, if the launcher passes it as an argument.

    Raises:
        UserError: A launcher other than `pytorch` on a machine without CUDA.
    """
    config.launcher = launcher
    if launcher == "none":
        return
    end_with_launcher()
    if local_rank is not None:
        os.environ.setdefault("LOCAL_RANK", str(local_rank))
    if torch.cuda.is_available():
        return
    if launcher != "pytorch":
        raise UserError(f"launcher {launcher!r} needs CUDA; without it use pytorch")
    if config.get("model_wrapper_cfg") is None:
        config.model_wrapper_cfg = dict(type="MMDistributedDataParallel", broadcast_buffers=False)
    config.model_wrapper_cfg.device_ids = None
    if not torch.distributed.is_initialized():
        seconds = (config.get("env_cfg") or {}).get("dist_cfg", {}).get("timeout", TIMEOUT)
        torch.distributed.init_process_group("gloo", timeout=timedelta(seconds=seconds))


class _MetricsKeeper(Hook):
    """Keeps the metrics of a test, which the toolkit's loop hands to its hooks and does not return."""

    def __init__(self) -> None:
        self.metrics: dict[str, float] = {}

    def after_test_epoch(self, runner: Runner, metrics: dict[str, float] | None = None) -> None:
        self.metrics = metrics or {}


def run_test(runner: Runner) -> dict[str, float]:
    """Run a runner's evaluation.

    Args:
        runner: A runner with a test loop.

    Returns:
        The value of each metric.

    Raises:
        UserError: If its config has no test section.
    """
    check_sections(runner.cfg, TESTING, "evaluation")
    keeper = _MetricsKeeper()
    runner.register_hook(keeper, priority="LOWEST")
    runner.test()
    return keeper.metrics


def about_test(runner: Runner) -> dict[str, Any]:
    """What the metrics of a test depend on: the data, the seed and the counts; and the size of the model.

    Args:
        runner: A runner with a test loop.
    """
    owners = owners_of_data_root(runner.cfg.get("test_dataloader"))
    evaluators, loaders = (getattr(runner.test_loop, name, []) for name in ("evaluators", "dataloaders"))
    counts = {
        title_of(metric): counts_of(metric, len(loader.dataset))
        for evaluator, loader in zip(evaluators, loaders, strict=True)
        for metric in evaluator.metrics or []
    }
    return {
        "data_root": ", ".join(str(owner["data_root"]) for owner in owners),
        "seed": str(runner.seed),
        "parameters": parameter_counts(unwrap(runner.model)),
        "protocol": {"metrics": counts},
    }


def save_metrics(metrics: Mapping[str, Any], folder: str | Path, **about: Any) -> list[Path]:
    """Write metrics as `metrics.json` and as a Markdown table, `metrics.md`; rank 0 only.

    Args:
        metrics: Values by name; numbers, or tensors and arrays of one element.
        folder: Where to; made if it is missing.
        **about: What was evaluated, e.g. `config`, `checkpoint`; goes into both files; anything that
            JSON takes.

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
        write_text(Path(folder, name), text)
    return [Path(folder, name) for name in texts]


def markdown_table(metrics: Mapping[str, float], about: Mapping[str, Any]) -> str:
    """Metrics as a Markdown table under a line per plain fact about them."""
    facts = [f"* {name}: `{value}`" for name, value in about.items() if not isinstance(value, Mapping)]
    rows = [f"| {name} | {value:.6g} |" for name, value in metrics.items()]
    return "\n".join([*facts, "", "| metric | value |", "| --- | ---: |", *rows, ""])
