"""Training that is asked to stop saves and stops, and one whose launcher is gone stops as well."""

import ctypes
import os
import signal
import sys
from types import FrameType
from typing import Any

import torch
from mmagic.registry import HOOKS
from mmengine.dist import all_reduce
from mmengine.hooks import CheckpointHook, Hook
from mmengine.runner import Runner

STOPPED = 75
"""Exit status of a training that was asked to stop and has saved: EX_TEMPFAIL, run it again with --resume."""
SIGNALS = (signal.SIGTERM, signal.SIGUSR1, signal.SIGINT)
_PARENT_DEATH = 1  # PR_SET_PDEATHSIG of Linux


@HOOKS.register_module()
class PreemptionHook(Hook):
    """Ends a training with the current step when it gets SIGTERM, SIGUSR1 or SIGINT.

    A checkpoint is saved, unless that was done in this step, and the process exits with ``STOPPED``. A
    signal to any process stops all of them in the same step. A second one ends the process at once.
    """

    priority = "LOWEST"

    def __init__(self) -> None:
        self._asked: str | None = None
        self._before: dict[signal.Signals, Any] = {}

    def before_train(self, runner: Runner) -> None:
        """Begin to listen."""
        self._asked = None
        self._before = {number: signal.signal(number, self._ask) for number in SIGNALS}

    def after_train(self, runner: Runner) -> None:
        """Leave the signals to those who had them."""
        self._stop_listening()

    def _stop_listening(self) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
        self._before = {}

    def _ask(self, number: int, frame: FrameType | None) -> None:
        if self._asked is not None:
            self._stop_listening()
            raise KeyboardInterrupt
        self._asked = signal.Signals(number).name
        print(f"\n{self._asked}: saves and stops after this step; once more stops at once", file=sys.stderr)

    def after_train_iter(self, runner: Runner, batch_idx: int, *args: Any, **kwargs: Any) -> None:
        """Save and stop, if any process was asked to.

        Args:
            runner: The runner.
            batch_idx: Unused.
            *args: Unused.
            **kwargs: Unused.

        Raises:
            SystemExit: If one was; the status is ``STOPPED``.
        """
        asked = torch.tensor(int(self._asked is not None), device=next(runner.model.parameters()).device)
        all_reduce(asked, op="max")
        if not asked:
            return
        newest = None
        for hook in runner.hooks:
            if isinstance(hook, CheckpointHook):
                if not hook.every_n_train_iters(runner, hook.interval):
                    hook._save_checkpoint(runner)
                newest = hook.last_ckpt
        self._stop_listening()
        runner.logger.warning(
            f"Stopped by {self._asked or 'a signal to another process'} after iteration {runner.iter + 1}; "
            f"--resume goes on from the newest checkpoint, {newest} (exit status {STOPPED})"
        )
        sys.exit(STOPPED)


def end_with_launcher() -> None:
    """Have this process asked to stop when the one that started it is gone, as after a SIGKILL of a launcher.

    Only Linux knows how to; elsewhere nothing is done.
    """
    if not sys.platform.startswith("linux"):
        return
    parent = os.getppid()
    ctypes.CDLL(None).prctl(_PARENT_DEATH, signal.SIGTERM)
    if os.getppid() != parent:
        os.kill(os.getpid(), signal.SIGTERM)
