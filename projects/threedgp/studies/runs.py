"""Trains and evaluates the runs of a study, each in its own folder; what is finished is not done again."""

import copy
import hashlib
import json
import math
import os
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from mmengine.config import Config
from tqdm import tqdm

from ..engine.curves import collect_curves, find_logs, read_records
from ..whole_files import write_text
from .arms import Arm
from .sizes import Size

ROOT = Path(__file__).resolve().parents[3]
POLL_SECONDS = 5.0
SET_BY_TOOLS = frozenset({"launcher", "load_from", "resume"})


@dataclass(frozen=True)
class Run:
    """An arm with a seed.

    Args:
        arm: What is trained.
        seed: Of everything that is random in it.
        folder: Where all of it goes.
    """

    arm: Arm
    seed: int
    folder: Path

    @property
    def config_path(self) -> Path:
        """The config that the run was trained with, complete in itself."""
        return self.folder / "config.py"

    @property
    def metrics_path(self) -> Path:
        """The metrics of the last checkpoint; the run is finished when they are there."""
        return self.folder / "metrics.json"

    @property
    def checkpoint(self) -> Path | None:
        """The newest checkpoint, in this folder wherever it was when it was written."""
        pointer = self.folder / "last_checkpoint"
        return self.folder / Path(pointer.read_text().strip()).name if pointer.is_file() else None

    @cached_property
    def batch_size(self) -> int:
        """Images of a step."""
        return Config.fromfile(self.config_path).train_dataloader.batch_size

    @property
    def is_trained(self) -> bool:
        """Whether the newest checkpoint is that of the last step."""
        config = Config.fromfile(self.config_path)
        steps = math.ceil(round(config.train_cfg.total_kimg * 1000) / config.train_dataloader.batch_size)
        return self.checkpoint is not None and self.checkpoint.name == f"iter_{steps}.pth"

    def metrics(self) -> dict[str, float]:
        """The values that tools/test.py left, which writes what is not finite as text."""
        metrics = json.loads(self.metrics_path.read_text())["metrics"]
        return {name: float(value) for name, value in metrics.items()}

    def values(self) -> dict[str, float]:
        """The metrics, and what the run cost.

        That are ``cost/seconds_per_kimg`` and ``cost/peak_memory_gb`` of the training, where it left a log,
        and thousands of parameters of both networks, ``cost/generator`` and ``cost/discriminator``.
        """
        counts = json.loads(self.metrics_path.read_text()).get("parameters", {})
        values = {f"cost/{name}": count / 1000 for name, count in counts.items()}
        if kimg := self.kimg():
            values["cost/seconds_per_kimg"] = self.training_seconds() / kimg
            memory = self._training_curve("peak_memory_gb").values()
            values |= {"cost/peak_memory_gb": max(memory)} if memory else {}
        return {**self.metrics(), **values}

    def curve(self, name: str) -> tuple[list[float], list[float]]:
        """Thousands of images seen, and a validation metric after them.

        Args:
            name: Name of the metric, such as ``FID (toy classifier)/fid``.
        """
        curve = collect_curves(read_records(find_logs(self.folder))).get(name, {})
        steps = sorted(curve)
        return [step * self.batch_size / 1000 for step in steps], [curve[step] for step in steps]

    def kimg(self) -> float:
        """Thousands of images that the log tells of."""
        try:
            steps = self._training_curve("kimg")
        except FileNotFoundError:
            return 0.0
        return max(steps, default=0) * self.batch_size / 1000

    def training_seconds(self) -> float:
        """Time of all training steps, without evaluation."""
        seconds = self._training_curve("time")
        steps = sorted(seconds)
        lengths = [b - a for a, b in zip([0, *steps], steps, strict=False)]
        return sum(seconds[step] * length for step, length in zip(steps, lengths, strict=True))

    def _training_curve(self, name: str) -> dict[int, float]:
        """What training logged under a name; validations, which take their own time, do not tell ``iter``."""
        records = [record for record in read_records(find_logs(self.folder)) if "iter" in record]
        return collect_curves(records).get(name, {})


def plan(arms: Sequence[Arm], seeds: Sequence[int], out: Path) -> list[Run]:
    """All runs of a study, all arms of a seed before the next seed."""
    # The tools run elsewhere, see _call: no path may depend on where this process is.
    folder = out.resolve() / "runs"
    return [Run(arm, seed, folder / f"{arm.name}_seed{seed}") for seed in seeds for arm in arms]


def arms_of(runs: Sequence[Run]) -> list[Arm]:
    """The arms of some runs, in their order."""
    return list({run.arm.name: run.arm for run in runs}.values())


def arm_config(arm: Arm) -> Config:
    """The config of an arm, data and length as in the file it is based on."""
    config = Config.fromfile(str(ROOT / arm.config))
    config.merge_from_dict(copy.deepcopy(dict(arm.options)))
    return config


def write_config(run: Run, data: Path, size: Size) -> None:
    """Write the config of a run.

    Args:
        run: The run.
        data: The folder of tools/studies/prepare.py.
        size: How long it trains.

    Raises:
        ValueError: If the folder holds a run with another config, or of other scenes or networks.
    """
    config = arm_config(run.arm)
    config = Config(_moved(config.to_dict(), config.root, str(data.resolve())))
    config.train_cfg.total_kimg = size.kimg
    config.train_cfg.val_interval_kimg = size.val_interval_kimg
    config.train_dataloader.batch_size = size.batch_size
    logger, steps = config.default_hooks.logger, round(size.val_interval_kimg * 1000 / size.batch_size)
    logger.interval = max(min(logger.interval, steps), 1)
    config.randomness = dict(seed=run.seed, diff_rank_seed=True)
    config.work_dir = str(run.folder.resolve())
    # Not a setting, but what tells a run apart from one of data that were made anew in the same place.
    config.data_digest = data_digest(data)
    if not run.config_path.is_file():
        write_text(run.config_path, config.pretty_text)
    elif _settings(Config.fromfile(run.config_path)) != _settings(config):
        raise ValueError(
            f"{run.config_path}: got a run with other settings, wanted another --out, or that folder gone"
        )


def data_digest(data: Path) -> str:
    """What tells scenes and networks apart from others in the same folder.

    Args:
        data: The folder of tools/studies/prepare.py.
    """
    known = hashlib.sha256()
    for file in (data / "meta.json", data / "cameras.npy", *sorted((data / "networks").glob("*"))):
        if file.is_file():
            known.update(file.name.encode() + file.read_bytes())
    return known.hexdigest()


def _settings(config: Config) -> dict[str, Any]:
    """A config without what the tools set: the toolkit's Runner writes its own copy over the file it got."""
    return {name: value for name, value in config.to_dict().items() if name not in SET_BY_TOOLS}


def _moved(node: Any, old: str, new: str) -> Any:
    """A config whose paths under ``old`` lie under ``new``."""
    if isinstance(node, dict):
        return {key: _moved(value, old, new) for key, value in node.items()}
    if isinstance(node, list | tuple):
        return type(node)(_moved(value, old, new) for value in node)
    if isinstance(node, str) and (node == old or node.startswith(f"{old}/")):
        return new + node.removeprefix(old)
    return node


def execute(runs: Sequence[Run], data: Path, size: Size, jobs: int | None = None) -> None:
    """Train and evaluate what is missing, several runs at a time.

    Args:
        runs: What to do.
        data: The folder of tools/studies/prepare.py.
        size: How long the runs are.
        jobs: Runs at a time; None for the size's.

    Raises:
        RuntimeError: If a run failed; the others are done first.
    """
    for run in runs:
        write_config(run, data, size)
    missing = [run for run in runs if not run.metrics_path.is_file()]
    failures: list[str] = []
    done = threading.Event()
    watcher = threading.Thread(target=_show_progress, args=(missing, size.kimg, done))
    watcher.start()
    try:
        with ThreadPoolExecutor(jobs or size.jobs) as pool:
            failures = [text for text in pool.map(_finish, missing) if text]
    finally:
        done.set()
        watcher.join()
    if failures:
        raise RuntimeError("\n".join(failures))


def _show_progress(runs: Sequence[Run], kimg: float, done: threading.Event) -> None:
    """A bar over the images of all runs, until ``done``."""
    with tqdm(total=round(kimg * len(runs), 3), unit="kimg", desc="training") as bar:
        while runs and not done.wait(POLL_SECONDS):
            bar.n = round(sum(min(run.kimg(), kimg) for run in runs), 3)
            finished = sum(run.metrics_path.is_file() for run in runs)
            bar.set_postfix(finished=f"{finished}/{len(runs)}")


def _finish(run: Run) -> str | None:
    """Train (or goes on training) and evaluate; returns what went wrong."""
    started = time.monotonic()
    config = str(run.config_path)
    trained = run.is_trained or _call(run, "train.log", "tools/train.py", config, "--resume")
    if not trained or run.checkpoint is None:
        return f"{run.folder.name}: training failed, see {run.folder / 'train.log'}"
    if not _call(run, "test.log", "tools/test.py", config, str(run.checkpoint), "--out", str(run.folder)):
        return f"{run.folder.name}: evaluation failed, see {run.folder / 'test.log'}"
    tqdm.write(f"{run.folder.name}: finished after {(time.monotonic() - started) / 60:.1f} min")
    return None


def _call(run: Run, log: str, *arguments: str) -> bool:
    """Run a tool in a process of its own, with one thread where several would wait for each other."""
    env = {"OMP_NUM_THREADS": "1", **os.environ}
    with (run.folder / log).open("a", encoding="utf-8") as file:
        command = [sys.executable, *arguments]
        return subprocess.run(command, cwd=ROOT, env=env, stdout=file, stderr=file).returncode == 0
