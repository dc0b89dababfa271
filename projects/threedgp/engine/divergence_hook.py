"""Training that has diverged says so, leaves no broken checkpoint, and does not end as if all were well."""

import logging
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from mmagic.registry import HOOKS
from mmengine.dist import all_gather_object
from mmengine.hooks import Hook
from mmengine.logging import print_log
from mmengine.runner import Runner
from torch import Tensor

from ..training.state_dicts import unwrap

GRADIENTS = "grad_nonfinite/"


@HOOKS.register_module()
class DivergenceHook(Hook):
    """Counts losses and gradients that are not finite, and stops training whose weights are not.

    A warning per interval says in how many of its iterations which loss or gradient was NaN or infinite, on
    any process. A training with such losses ends with an error after everything else is done. Weights,
    averaged ones too, that are not finite end it at once, since they stay so; they are not saved.

    Args:
        interval: Iterations between two looks at the weights, and two warnings.

    Raises:
        ValueError: If the interval is not positive.
    """

    priority = "LOWEST"

    def __init__(self, interval: int = 50) -> None:
        if interval <= 0:
            raise ValueError(f"DivergenceHook.interval: got {interval}, wanted more than 0")
        self.interval = interval
        self._recent: Counter[str] = Counter()
        self._total: Counter[str] = Counter()
        self._iterations = 0

    def before_train(self, runner: Runner) -> None:
        """Begin to count anew."""
        self._recent, self._total, self._iterations = Counter(), Counter(), 0

    def after_train_iter(
        self,
        runner: Runner,
        batch_idx: int,
        data_batch: Any = None,
        outputs: dict | Sequence | None = None,
    ) -> None:
        """Count, and now and then look and report.

        Args:
            runner: The runner.
            batch_idx: Unused.
            data_batch: Unused.
            outputs: What the training step logs.

        Raises:
            FloatingPointError: If weights are not finite.
        """
        self._recent.update(broken_values(outputs if isinstance(outputs, Mapping) else {}))
        self._iterations += 1
        if self.every_n_train_iters(runner, self.interval):
            self._report(runner)
            check_weights(unwrap(runner.model).state_dict())

    def before_save_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        """Refuse to save weights that are not finite; the checkpoints before stay.

        Raises:
            FloatingPointError: If they are not.
        """
        check_weights(checkpoint["state_dict"])

    def after_train(self, runner: Runner) -> None:
        """Report the rest, and end with an error if there was a loss that was not finite.

        Raises:
            FloatingPointError: If a loss or the weights were not finite.
        """
        self._report(runner)
        check_weights(unwrap(runner.model).state_dict())
        losses = {name: count for name, count in self._total.items() if not name.startswith(GRADIENTS)}
        if losses:
            raise FloatingPointError(f"training ended with losses that were not finite: {in_words(losses)}")

    def _report(self, runner: Runner) -> None:
        everywhere: Counter[str] = Counter()
        for each in all_gather_object(self._recent):
            everywhere |= each  # the most of any process
        if everywhere:
            runner.logger.warning(
                f"Not finite (NaN or infinite) in the last {self._iterations} iterations: "
                f"{in_words(everywhere)}. Such gradients count as 0 and 1e5: where that goes on, nothing is "
                "learned"
            )
        self._total.update(everywhere)
        self._recent, self._iterations = Counter(), 0


def broken_values(outputs: Mapping[str, Any]) -> list[str]:
    """Names of the logged losses that are not finite, and of the gradients that had such entries.

    Args:
        outputs: What a training step logs.
    """
    # The toolkit's models log losses with their graphs.
    values = {name: float(torch.as_tensor(value).detach()) for name, value in outputs.items()}
    losses = [name for name, value in values.items() if "loss" in name and not math.isfinite(value)]
    return losses + [name for name, value in values.items() if name.startswith(GRADIENTS) and value != 0]


def in_words(counts: Mapping[str, int]) -> str:
    """Counts of names, the gradients as such."""
    names = {name: name.replace(GRADIENTS, "gradient of the ") for name in counts}
    return ", ".join(f"{names[name]} {count} times" for name, count in sorted(counts.items()))


@torch.no_grad()
def check_weights(state: Mapping[str, Tensor]) -> None:
    """Look whether a model's state is finite.

    Args:
        state: Parameters, averaged parameters and buffers by name.

    Raises:
        FloatingPointError: If it is not; logged, and the first names are given.
    """
    values = {name: value for name, value in state.items() if value.is_floating_point()}
    finite = torch.stack([value.isfinite().all().cpu() for value in values.values()])
    if finite.all():
        return
    broken = [name for name, is_finite in zip(values, finite.tolist(), strict=True) if not is_finite]
    names = ", ".join(broken[:3] + ["..."] * (len(broken) > 3))
    message = (
        f"Training has diverged after {int(state.get('images_seen', 0))} images: {len(broken)} of "
        f"{len(values)} weights are not finite ({names}). They are not saved; go on from the last checkpoint "
        "(--resume) with a lower learning rate or a larger model.r1.gamma"
    )
    print_log(message, logger="current", level=logging.ERROR)
    raise FloatingPointError(message)
