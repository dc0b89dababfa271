"""What a person sees of a run; its log file has everything."""

import logging
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from mmengine.dist import get_world_size, is_main_process
from mmengine.hooks import Hook
from mmengine.logging import MMLogger
from mmengine.optim import BaseOptimWrapper
from mmengine.runner import BaseLoop, Runner
from torch import nn
from tqdm import tqdm

from ..errors import UserError, blame
from ..training.state_dicts import unwrap
from ..wording import counted
from .train_loop import images_per_iteration

OF_A_CONFIG = (TypeError, ValueError, KeyError, AssertionError, ImportError, OSError)
"""What components raise when they are built of settings that do not fit."""
SECONDS_BETWEEN_LINES = 30.0
MAX_SEED = 2**32  # that numpy takes


class ConsoleRunner(Runner):
    """The toolkit's runner, with a banner, a progress bar and warnings on the console.

    What its parts refuse when they are built of the config is the user's to mend.
    """

    def build_logger(
        self, log_level: int | str = "INFO", log_file: str | None = None, **kwargs: Any
    ) -> MMLogger:
        """Build the toolkit's logger, of which the console shows warnings only."""
        logger = super().build_logger(log_level, log_file, **kwargs)
        for index, handler in enumerate(logger.handlers):
            if type(handler) is logging.StreamHandler:
                logger.handlers[index] = _ConsoleHandler(handler.level)
        return logger

    def set_randomness(self, seed: Any, *args: Any, **kwargs: Any) -> None:
        """Seed all generators."""
        if seed is not None and not (type(seed) is int and 0 <= seed < MAX_SEED):
            raise UserError(f"randomness.seed: got {seed!r}, wanted None or an integer in [0, {MAX_SEED})")
        super().set_randomness(seed, *args, **kwargs)

    def build_model(self, model: nn.Module | dict) -> nn.Module:
        """Build the model."""
        with blame("model", *OF_A_CONFIG):
            return super().build_model(model)

    def register_hooks(self, default_hooks: dict | None = None, custom_hooks: list | None = None) -> None:
        """Build the hooks."""
        with blame("hooks", *OF_A_CONFIG):
            super().register_hooks(default_hooks, custom_hooks)

    def build_train_loop(self, loop: BaseLoop | dict) -> BaseLoop:
        """Build the loop, and with it the dataset."""
        with blame("training", *OF_A_CONFIG):
            return super().build_train_loop(loop)

    def build_val_loop(self, loop: BaseLoop | dict) -> BaseLoop:
        """Build the loop, its dataset and its metrics."""
        with blame("validation", *OF_A_CONFIG):
            return super().build_val_loop(loop)

    def build_test_loop(self, loop: BaseLoop | dict) -> BaseLoop:
        """Build the loop, its dataset and its metrics."""
        with blame("evaluation", *OF_A_CONFIG):
            return super().build_test_loop(loop)

    def build_optim_wrapper(self, optim_wrapper: BaseOptimWrapper | dict) -> BaseOptimWrapper:
        """Build the optimisers."""
        with blame("optim_wrapper", *OF_A_CONFIG):
            return super().build_optim_wrapper(optim_wrapper)

    def load_checkpoint(self, filename: str, *args: Any, **kwargs: Any) -> dict:
        """Load the weights of a checkpoint, which a refusal names."""
        with blame(f"checkpoint {filename}", ValueError):
            return super().load_checkpoint(filename, *args, **kwargs)


class _ConsoleHandler(logging.Handler):
    """Prints warnings above a progress bar, each once."""

    def __init__(self, level: int) -> None:
        super().__init__(max(level, logging.WARNING))
        self._said: set[str] = set()

    def emit(self, record: logging.LogRecord) -> None:
        text = record.getMessage()
        if text not in self._said and not any(harmless in text for harmless in HARMLESS):
            self._said.add(text)
            tqdm.write(f"{record.levelname.lower()}: {text}", file=sys.stderr)


HARMLESS = (
    # The toolkit's own hook asks with the old name of an argument.
    '"FileClient" will be deprecated',
    '"HardDiskBackend" is the alias',
    # There are none: Adam's rate is constant, as in the release.
    "`save_param_scheduler` is True but `self.param_schedulers` is None",
)
"""Warnings of the toolkit about itself, at every start, that nobody who trains can do anything about."""


class ProgressHook(Hook):
    """Says before training what is trained on what, and then how far it is and how fast.

    Args:
        config_name: What the banner calls the config.
    """

    priority = "LOWEST"

    def __init__(self, config_name: str) -> None:
        self.config_name = config_name
        self._bar: tqdm | None = None
        self._samples: tqdm | None = None

    def before_train(self, runner: Runner) -> None:
        """Print the banner and begin the bar."""
        if not is_main_process():
            return
        print("\n".join(banner(runner, self.config_name)), flush=True)
        images = images_per_iteration(runner.train_dataloader)
        self._bar = _make_bar(runner.max_iters * images, "training", "img", initial=runner.iter * images)

    def after_train_iter(
        self,
        runner: Runner,
        batch_idx: int,
        data_batch: Any = None,
        outputs: Mapping | Sequence | None = None,
    ) -> None:
        """Move the bar."""
        if self._bar is not None:
            self._bar.update(images_per_iteration(runner.train_dataloader))

    def after_val_iter(
        self,
        runner: Runner,
        batch_idx: int,
        data_batch: Any = None,
        outputs: Sequence | None = None,
    ) -> None:
        """Move the bar of the validation."""
        self._move("validating", runner.val_loop, batch_idx)

    def after_val_epoch(self, runner: Runner, metrics: Mapping[str, float] | None = None) -> None:
        """Print the metrics of a validation."""
        self._end_evaluation(f"validation at iteration {runner.iter}", metrics)

    def after_train(self, runner: Runner) -> None:
        """End the bar."""
        if self._bar is not None:
            self._bar.close()
            print(f"results: {runner.work_dir}")

    def before_test(self, runner: Runner) -> None:
        """Print what is evaluated."""
        if is_main_process():
            print(f"config:  {self.config_name}\nlog:     {runner.logger.log_file}", flush=True)

    def after_test_iter(
        self,
        runner: Runner,
        batch_idx: int,
        data_batch: Any = None,
        outputs: Sequence | None = None,
    ) -> None:
        """Move the bar of the evaluation."""
        self._move("evaluating", runner.test_loop, batch_idx)

    def after_test_epoch(self, runner: Runner, metrics: Mapping[str, float] | None = None) -> None:
        """Print the metrics of the evaluation."""
        self._end_evaluation("evaluation", metrics)

    def _move(self, title: str, loop: BaseLoop, batch_idx: int) -> None:
        """Move the bar of an evaluation, which begins with its first batch: by then the loop has counted."""
        if not is_main_process():
            return
        if self._samples is None:
            total = getattr(loop, "total_length", None)
            self._samples = _make_bar(total, title, "batch", leave=self._bar is None)
        # Some of the toolkit's metrics ask for a batch more than they say.
        if self._samples.total is not None:
            self._samples.total = max(self._samples.total, batch_idx + 1)
        self._samples.update()

    def _end_evaluation(self, title: str, metrics: Mapping[str, float] | None) -> None:
        if self._samples is not None:
            self._samples.close()
            self._samples = None
        if is_main_process() and metrics:
            tqdm.write(f"{title}: {values_line(metrics)}")


def values_line(metrics: Mapping[str, float]) -> str:
    """Values by name in one line; numbers, or tensors and arrays of one element."""
    return "  ".join(f"{name}: {float(value):.5g}" for name, value in metrics.items())


def _make_bar(total: int | None, title: str, unit: str, initial: int = 0, leave: bool = True) -> tqdm:
    """A bar, of which a file gets a line now and then."""
    live = sys.stderr.isatty()
    return tqdm(
        total=total,
        desc=title,
        unit=unit,
        initial=initial,
        mininterval=0.2 if live else SECONDS_BETWEEN_LINES,
        dynamic_ncols=live,
        smoothing=0.05,
        leave=leave,
    )


def banner(runner: Runner, config_name: str) -> list[str]:
    """What is trained, on what, for how long, and where the results go; a line each."""
    model, loader = unwrap(runner.model), runner.train_dataloader
    each, processes = loader.batch_sampler.batch_size, get_world_size()
    kimg = [steps * each * processes / 1000 for steps in (runner.iter, runner.max_iters)]
    begin = f"Continues at {kimg[0]:g} kimg, " if runner.iter else ""
    facts = {
        "config": config_name,
        "data": describe_data(loader.dataset),
        "model": describe_model(model),
        "batch": f"{counted(each * processes, 'image')} ({each} x {counted(processes, 'process')})",
        "length": f"{begin}to {kimg[1]:g} kimg ({counted(runner.max_iters, 'iteration')})",
        "device": str(next(model.parameters()).device),
        "results": runner.work_dir,
        "log": runner.logger.log_file,
    }
    return [f"{name + ':':9}{fact}" for name, fact in facts.items()]


def describe_data(dataset: Any) -> str:
    """Number of images and classes, and whether there is depth."""
    facts = [counted(len(dataset), "image")]
    classes = (getattr(dataset, "metainfo", None) or {}).get("classes")
    if getattr(dataset, "conditional", True) and classes:
        facts.append(counted(len(classes), "class"))
    if hasattr(dataset, "use_depth"):
        facts.append("with depth" if dataset.use_depth else "without depth")
    root = getattr(dataset, "data_root", None)
    return ", ".join(facts) + (f" in {root}" if root else "")


def describe_model(model: nn.Module) -> str:
    """Class of the model and parameters of its networks."""
    sizes = [f"{name} {count:,}" for name, count in parameter_counts(model).items()]
    return f"{type(model).__name__}, parameters: {', '.join(sizes)}"


def parameter_counts(model: nn.Module) -> dict[str, int]:
    """Number of parameters of the generator and of the discriminator, where there are such."""
    return {
        name: sum(parameter.numel() for parameter in part.parameters())
        for name in ("generator", "discriminator")
        if (part := getattr(model, name, None)) is not None
    }
