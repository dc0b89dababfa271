"""Speed and memory of training, for the log."""

import resource
from collections.abc import Sequence
from typing import Any

import torch
from mmagic.registry import HOOKS
from mmengine.hooks import Hook
from mmengine.runner import Runner

from ..ranges import Size
from .train_loop import images_per_iteration

GIB = 2**30


def peak_memory_gb() -> float:
    """Most memory of this process, in 2^30 bytes: on its GPU since the last reset, or resident."""
    if torch.cuda.is_available():
        return torch.cuda.max_memory_allocated() / GIB
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / GIB


@HOOKS.register_module()
class ThroughputHook(Hook):
    """Logs ``images_per_sec``, over all processes, and ``peak_memory_gb``, of the logging process.

    The toolkit's ``IterTimerHook`` takes the time: with loading and pictures, without validation.

    Args:
        window: Iterations that the speed is averaged over.
    """

    def __init__(self, window: Size = 50) -> None:
        self.window = window
        self._measured, self._peak_gb = 0, 0.0

    def before_train(self, runner: Runner) -> None:
        """Begin anew.

        Args:
            runner: The runner.
        """
        self._measured, self._peak_gb = 0, 0.0

    def after_train_iter(
        self,
        runner: Runner,
        batch_idx: int,
        data_batch: Any = None,
        outputs: dict | Sequence | None = None,
    ) -> None:
        """Update both numbers.

        Args:
            runner: The runner.
            batch_idx: Unused.
            data_batch: Unused.
            outputs: Unused.
        """
        self._measured = min(self._measured + 1, self.window)
        seconds = runner.message_hub.get_scalar("train/time").mean(self._measured)
        speed = images_per_iteration(runner.train_dataloader) / seconds
        runner.message_hub.update_scalar("train/images_per_sec", speed)
        # The toolkit resets the GPU's peak with every line of the log.
        self._peak_gb = max(self._peak_gb, peak_memory_gb())
        runner.message_hub.update_scalar("train/peak_memory_gb", self._peak_gb)
