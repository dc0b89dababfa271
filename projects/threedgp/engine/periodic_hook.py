"""A hook that acts every so often and at the end of training."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mmengine.dist import is_main_process
from mmengine.hooks import Hook
from mmengine.runner import Runner

from ..ranges import Positive, Size
from ..training.state_dicts import unwrap


class PeriodicHook(Hook):
    """Calls ``act`` on the main process every so often and at the end of training.

    Args:
        interval: Iterations between two calls.
        interval_kimg: Thousands of images, over all processes, between two calls; instead of
            ``interval``.

    Raises:
        ValueError: If not exactly one of them is given, or it is not positive.
    """

    def __init__(self, interval: Size | None = None, interval_kimg: Positive | None = None) -> None:
        given = [value for value in (interval, interval_kimg) if value is not None]
        if len(given) != 1 or given[0] <= 0:
            raise ValueError(
                f"{type(self).__name__}: got interval={interval} and "
                f"interval_kimg={interval_kimg}, wanted one of them, more than 0"
            )
        self.interval, self.interval_kimg = interval, interval_kimg
        self._kimg_before = 0.0
        self._last_step: int | None = None

    def act(self, runner: Runner, step: int) -> None:
        """Do what the hook is for.

        Args:
            runner: The runner.
            step: Iterations done.
        """
        raise NotImplementedError

    @staticmethod
    def picture_path(runner: Runner, folder: str) -> Path:
        """Return where a picture goes: ``work_dir/folder/kimg_XXXXXX.XXX.png``.

        Args:
            runner: The runner.
            folder: Folder under the runner's.
        """
        return Path(runner.work_dir, folder, f"kimg_{unwrap(runner.model).kimg:010.3f}.png")

    def before_train(self, runner: Runner) -> None:
        """Note when training begins.

        Args:
            runner: The runner.
        """
        self._kimg_before, self._last_step = unwrap(runner.model).kimg, None

    def after_train_iter(
        self,
        runner: Runner,
        batch_idx: int,
        data_batch: Any = None,
        outputs: dict | Sequence | None = None,
    ) -> None:
        """Act if it is time.

        Args:
            runner: The runner.
            batch_idx: Iterations done before this one.
            data_batch: Unused.
            outputs: Unused.
        """
        if self._is_due(runner):
            self._act_once(runner, runner.iter + 1)

    def after_train(self, runner: Runner) -> None:
        """Act on the final weights.

        Args:
            runner: The runner.
        """
        self._act_once(runner, runner.iter)

    def _is_due(self, runner: Runner) -> bool:
        if self.interval_kimg is None:
            return self.every_n_train_iters(runner, self.interval)
        before, self._kimg_before = self._kimg_before, unwrap(runner.model).kimg
        return self._kimg_before // self.interval_kimg > before // self.interval_kimg

    def _act_once(self, runner: Runner, step: int) -> None:
        if is_main_process() and step != self._last_step:
            self.act(runner, step)
        self._last_step = step
