"""Study: what distillation costs, as the ratio of the times of a training step with it and without."""

import copy
import csv
import io
import platform
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmagic.registry import MODELS
from mmengine.config import Config
from mmengine.logging import MessageHub, MMLogger
from mmengine.optim import build_optim_wrapper
from mmengine.registry import init_default_scope
from mmengine.runner import Runner
from tqdm import tqdm

from ..engine.run_config import merge_options, read_config, redirect_data_root
from ..whole_files import write_text
from .arms import NETWORK_FILES, NO_DISTILLATION_3D

MIB = 2**20
WITHOUT, FROM_FILE, ON_THE_FLY = "without", "features from a file", "teacher on the fly"


@dataclass(frozen=True)
class Block:
    """Some steps in a row of one arm.

    Args:
        round: Which turn of all arms it belongs to.
        arm: What was trained.
        seconds: Of a step, on average.
        waiting: Seconds of these that were spent waiting for data.
        peak_mib: Peak of the arm's memory on the GPU, 2^20 bytes; None on a CPU.
    """

    round: int
    arm: str
    seconds: float
    waiting: float
    peak_mib: float | None = None


@dataclass(frozen=True)
class Ratio:
    """A median with its 95 % interval."""

    median: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.median:.3f} ({self.low:.3f} to {self.high:.3f})"


def paired_ratio(
    values: Sequence[float], references: Sequence[float], resamples: int = 10_000, seed: int = 0
) -> Ratio:
    """The median ratio of pairs, with the bootstrap's percentiles over pairs.

    Args:
        values: One of each pair.
        references: The other, which the first is divided by.
        resamples: How often the pairs are drawn anew.
        seed: Of the draws.

    Raises:
        ValueError: If the lengths differ or there is no pair.
    """
    if len(values) != len(references) or not len(values):
        raise ValueError(f"pairs: got {len(values)} and {len(references)} values, wanted as many of each")
    ratios = np.divide(values, references)
    draws = np.random.default_rng(seed).choice(ratios, (resamples, len(ratios)))
    low, high = np.quantile(np.median(draws, axis=1), (0.025, 0.975))
    return Ratio(float(np.median(ratios)), float(low), float(high))


def interleaved(arms: Sequence[str], rounds: int) -> Iterator[tuple[int, str]]:
    """Rounds and arms in their order, A B C C B A A B C ..., in which a steady drift cancels out."""
    for index in range(rounds):
        for arm in arms if index % 2 == 0 else reversed(arms):
            yield index, arm


def arm_options(teacher: Mapping[str, Any] | None) -> dict[str, dict[str, Any]]:
    """What each arm changes in the config.

    Args:
        teacher: Config of the teacher; None leaves out the arm that runs it.
    """
    arms: dict[str, dict[str, Any]] = {WITHOUT: dict(NO_DISTILLATION_3D.options), FROM_FILE: {}}
    if teacher is not None:
        arms[ON_THE_FLY] = {"train_dataloader.dataset.features": None, "model.teacher": dict(teacher)}
    return arms


class Trainee:
    """A model in training on its own loader.

    Args:
        config: The config; its model, optimisers and training data are used.
        options: What is different in this arm.
        device: Where to train.
    """

    def __init__(self, config: Config, options: Mapping[str, Any], device: torch.device) -> None:
        config = copy.deepcopy(config)
        config.merge_from_dict(copy.deepcopy(dict(options)))
        config.train_dataloader.pin_memory = device.type == "cuda"
        self.device, self.iteration = device, 0
        torch.manual_seed(0)
        self.model = MODELS.build(config.model).to(device).train()
        self.optim_wrapper = build_optim_wrapper(self.model, config.optim_wrapper)
        self.batches = iter(Runner.build_dataloader(config.train_dataloader, seed=0))

    def train(self, steps: int) -> tuple[float, float]:
        """Train; returns the seconds of a step, and those of them that were waited for data."""
        waiting = 0.0
        started = self._now()
        for _ in range(steps):
            asked = time.perf_counter()
            batch = next(self.batches)
            waiting += time.perf_counter() - asked
            # The toolkit's models read from there when R1 is due.
            MessageHub.get_current_instance().update_info("iter", self.iteration)
            self.model.train_step(batch, self.optim_wrapper)
            self.iteration += 1
        return (self._now() - started) / steps, waiting / steps

    def _now(self) -> float:
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)
        return time.perf_counter()


def build_warm(
    config: Config, options: Mapping[str, Any], device: torch.device, steps: int
) -> tuple[Trainee, float | None]:
    """A trainee after its first steps, and the peak of its own memory on the GPU (2^20 bytes)."""
    if device.type != "cuda":
        trainee = Trainee(config, options, device)
        trainee.train(steps)
        return trainee, None
    # Other arms are there already, but only hold their weights.
    others = torch.cuda.memory_allocated(device)
    torch.cuda.reset_peak_memory_stats(device)
    trainee = Trainee(config, options, device)
    trainee.train(steps)
    return trainee, (torch.cuda.max_memory_allocated(device) - others) / MIB


def measure(
    config: Config, arms: Mapping[str, Mapping[str, Any]], device: torch.device, steps: int, rounds: int
) -> list[Block]:
    """Train all arms in turn and take the time.

    Args:
        config: The config.
        arms: What each arm changes in it.
        device: Where to train.
        steps: Steps of a block.
        rounds: Blocks of each arm, after one that does not count.
    """
    warm = {
        arm: build_warm(config, options, device, steps) for arm, options in tqdm(arms.items(), desc="warm-up")
    }
    blocks = []
    with tqdm(total=len(arms) * rounds * steps, unit="step", desc="measuring") as progress:
        for index, arm in interleaved(list(arms), rounds):
            trainee, peak = warm[arm]
            seconds, waiting = trainee.train(steps)
            blocks.append(Block(index, arm, seconds, waiting, peak))
            progress.update(steps)
    return blocks


def table(blocks: Sequence[Block]) -> str:
    """The blocks as a Markdown table, a line for each arm."""
    arms: dict[str, list[Block]] = {}
    for block in sorted(blocks, key=lambda block: block.round):
        arms.setdefault(block.arm, []).append(block)
    head = ["step", "ms (median)", "of these waiting for data", f"time, {WITHOUT} = 1 (95 % interval)"]
    on_gpu = blocks[0].peak_mib is not None
    lines = [head + ["peak MiB", f"memory, {WITHOUT} = 1"] * on_gpu]
    lines.append(["---", *["---:"] * (len(lines[0]) - 1)])
    lines += [_line(arm, each, arms[WITHOUT]) for arm, each in arms.items()]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def _line(arm: str, blocks: Sequence[Block], references: Sequence[Block]) -> list[str]:
    seconds = [block.seconds for block in blocks]
    line = [
        arm,
        f"{1000 * np.median(seconds):.1f}",
        f"{1000 * np.median([block.waiting for block in blocks]):.1f}",
        "1" if arm == WITHOUT else str(paired_ratio(seconds, [block.seconds for block in references])),
    ]
    peak, reference = blocks[0].peak_mib, references[0].peak_mib
    if peak is not None and reference is not None:
        line += [f"{peak:.1f}", f"{peak / reference:.3f}"]
    return line


def as_csv(blocks: Sequence[Block]) -> str:
    """The blocks in the order in which they were measured."""
    text = io.StringIO()
    writer = csv.DictWriter(text, [field.name for field in fields(Block)], lineterminator="\n")
    writer.writeheader()
    writer.writerows(asdict(block) for block in blocks)
    return text.getvalue()


def hardware(device: torch.device) -> str:
    """Name of the GPU, or of the CPU with the number of threads in use."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return f"{_cpu_name()}, {torch.get_num_threads()} thread(s)"


def _cpu_name() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text().splitlines() if cpuinfo.is_file() else []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def load_config(path: str, data_root: str | None, options: Sequence[str]) -> Config:
    """A config that distils features from a file.

    Args:
        path: Its file.
        data_root: Where the data are; None for where the config says.
        options: As of ``--cfg-options``.

    Raises:
        ValueError: If it distils nothing, or not from a file.
    """
    config = read_config(path)
    if data_root:
        redirect_data_root(config, data_root)
    merge_options(config, options)
    distillation, features = config.model.get("distillation"), config.train_dataloader.dataset.get("features")
    if not (distillation and features):
        raise ValueError(
            f"{path}: got distillation={distillation!r} and features={features!r}, wanted a config "
            "that distils features from a file"
        )
    return config


def teacher_config(
    model: str, image_size: int, checkpoint: str | None, data_root: str
) -> dict[str, Any] | None:
    """Config of the teacher, None if no checkpoint was given and none lies beside the data.

    Args:
        model: Name of a timm model.
        image_size: Pixels that it sees.
        checkpoint: Its weights; None looks for them beside the data.
        data_root: Folder of the images.
    """
    beside = Path(data_root).parent / "networks" / NETWORK_FILES["teacher"]
    checkpoint = checkpoint or (str(beside) if beside.is_file() else None)
    if checkpoint is None:
        print(f"No {beside} and no --teacher: without the arm that runs the teacher", file=sys.stderr)
        return None
    return dict(type="TimmTeacher", model=model, checkpoint=checkpoint, image_size=image_size)


def run(
    config: Config,
    teacher: Mapping[str, Any] | None,
    device_name: str | None,
    steps: int,
    rounds: int,
    out: Path,
    command: str,
) -> None:
    """Measure and write the table.

    Args:
        config: Of ``load_config``.
        teacher: Of ``teacher_config``.
        device_name: Where to train; None for a GPU if there is one.
        steps: Steps of a block.
        rounds: Blocks of each arm.
        out: Folder of the table.
        command: What the table says it was made with.
    """
    init_default_scope("mmagic")
    MMLogger.get_instance("distillation_cost").setLevel("WARNING")
    device = torch.device(device_name or ("cuda" if torch.cuda.is_available() else "cpu"))
    torch.backends.cudnn.benchmark = bool(config.get("env_cfg", {}).get("cudnn_benchmark"))
    blocks = measure(config, arm_options(teacher), device, steps, rounds)
    about = {
        "command": command,
        "hardware": hardware(device),
        "torch": torch.__version__,
        "measured": f"{rounds} blocks of {steps} steps of each, batch "
        f"{config.train_dataloader.batch_size}, interleaved",
    }
    facts = "".join(f"* {name}: `{value}`\n" for name, value in about.items())
    write_text(out / "cost.csv", as_csv(blocks))
    write_text(out / "cost.md", f"{facts}\n{table(blocks)}")
    print((out / "cost.md").read_text())
