"""Training that goes astray is noticed, steps back and goes on; it does not end as if all were well."""

import json
import logging
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from mmagic.registry import HOOKS
from mmengine.dist import all_gather_object, is_main_process
from mmengine.hooks import Hook
from mmengine.logging import print_log
from mmengine.optim import OptimWrapper, OptimWrapperDict
from mmengine.runner import Runner

from ..errors import UserError
from ..ranges import Count, Positive, Size, check_ranges
from ..training.state_dicts import not_finite, unwrap
from ..whole_files import whole_file
from .checkpoint_loading import POINTER, whole_checkpoint_before
from .divergence_watch import GRADIENTS, Diverged, DivergenceWatch, broken_values, rising
from .train_loop import KimgTrainLoop

INCIDENTS = "incidents.jsonl"
GAMMA_FACTOR = "r1_gamma_factor"
METRIC = "watched_metric"


@HOOKS.register_module()
class DivergenceHook(Hook):
    """Watches a training, and takes it back to a checkpoint from before the trouble.

    An alarm is what ``DivergenceWatch`` finds lasting, or weights that are not finite, in any process. The
    training then goes on from the newest checkpoint that was saved long enough before, or else from the
    newest before the trouble, with the data and the random numbers that come after the bad stretch. What was
    done is written to the log, the curves and ``incidents.jsonl`` in the work folder. Too many alarms within
    a while end the training with an error, as does one without such a checkpoint. Single steps with numbers
    that are not finite are counted, and warned of; if so many losses were that this is no exception, and yet
    no alarm, the training ends with an error, too.

    Args:
        interval: Steps between two looks at the weights, and two warnings.
        distance: Steps between the checkpoint that is taken and the beginning of the trouble, at least, where
            there is such a one.
        skip: Steps' worth of data and random numbers that are left out behind the trouble.
        max_alarms: Alarms that are mended within ``alarm_kimg``; 0 mends none.
        alarm_kimg: Thousands of images, see ``max_alarms``.
        lr_factor: What every learning rate is multiplied with at an alarm.
        gamma_factor: What the gradient penalty's gamma is multiplied with at an alarm.
        metric: A metric of the validation of which less is better, such as ``FID/fid``; if it goes up for
            good, that is an alarm, too. None looks at none.
        metric_factor: How many times the metric's lowest value is too much.
        metric_patience: For how many validations in a row it has to be.
        **watch: See ``DivergenceWatch``.

    Raises:
        ValueError: If a number is out of range.
    """

    priority = "LOWEST"

    def __init__(
        self,
        interval: Size = 50,
        distance: Count = 100,
        skip: Count = 200,
        max_alarms: Count = 3,
        alarm_kimg: Positive = 1000.0,
        lr_factor: Positive = 1.0,
        gamma_factor: Positive = 1.0,
        metric: str | None = None,
        metric_factor: Positive = 2.0,
        metric_patience: Size = 5,
        **watch: Any,
    ) -> None:
        check_ranges(DivergenceHook.__init__, locals(), "DivergenceHook")
        self.interval, self.distance, self.skip = interval, distance, skip
        self.max_alarms, self.alarm_kimg = max_alarms, alarm_kimg
        self.lr_factor, self.gamma_factor = lr_factor, gamma_factor
        self.metric, self.metric_factor, self.metric_patience = metric, metric_factor, metric_patience
        self.watch = DivergenceWatch(**watch)
        self._alarms: list[float] = []
        self._begin()

    def _begin(self) -> None:
        self._recent: Counter[str] = Counter()
        self._total: Counter[str] = Counter()
        self._iterations = self._all_iterations = 0
        self.watch.forget()

    def before_train(self, runner: Runner) -> None:
        """Begin to count anew, and offer the loop to mend what is found."""
        self._begin()
        self._raise_gamma(runner, runner.message_hub.get_info(GAMMA_FACTOR, 1.0))
        if isinstance(runner.train_loop, KimgTrainLoop):
            runner.train_loop.mend = lambda alarm: self.mend(runner, alarm)

    def after_train_iter(
        self,
        runner: Runner,
        batch_idx: int,
        data_batch: Any = None,
        outputs: dict | Sequence | None = None,
    ) -> None:
        """Look at the step, and now and then at the weights.

        Args:
            runner: The runner.
            batch_idx: Unused.
            data_batch: Unused.
            outputs: What the training step logs.

        Raises:
            Diverged: If there is an alarm, in all processes alike.
        """
        logs = outputs if isinstance(outputs, Mapping) else {}
        # The toolkit's models log losses with their graphs.
        values = {name: float(torch.as_tensor(value).detach()) for name, value in logs.items()}
        self._recent.update(broken_values(values))
        self._iterations += 1
        alarm = self.watch.look(values)
        if self.every_n_train_iters(runner, self.interval):
            self._report(runner)
            alarm = alarm or broken_weights(runner, self.interval)
        raise_alike(alarm)

    def after_val_epoch(self, runner: Runner, metrics: dict[str, float] | None = None) -> None:
        """Look at the metric.

        Args:
            runner: The runner.
            metrics: What the validation measured, in the first process; others may have nothing.

        Raises:
            ValueError: If the metric is none of them.
            Diverged: If there is an alarm, in all processes alike.
        """
        if self.metric is None:
            return
        metrics = metrics or {}
        if self.metric not in metrics:
            raise UserError(
                f"DivergenceHook.metric: got {self.metric!r}, wanted one of {sorted(metrics)} (or None)"
            )
        history = [*runner.message_hub.get_info(METRIC, []), (runner.iter, float(metrics[self.metric]))]
        runner.message_hub.update_info(METRIC, history)
        raise_alike(rising(history, self.metric, self.metric_factor, self.metric_patience))

    def mend(self, runner: Runner, alarm: Diverged) -> None:
        """Go back to a checkpoint from before the trouble.

        Args:
            runner: The runner, whose loop was left by the alarm.
            alarm: The alarm.

        Raises:
            Diverged: If there were too many alarms, or there is no such checkpoint.
        """
        loop: KimgTrainLoop = runner.train_loop
        kimg, step = int(loop.images_seen) / 1000, runner.iter + 1
        self._alarms = [past for past in self._alarms if past >= kimg - self.alarm_kimg] + [kimg]
        about = f"Training has diverged after {kimg:g} kimg (iteration {step}): {alarm}"
        if len(self._alarms) > self.max_alarms:
            raise Diverged(
                f"{about}. Of the alarms within {self.alarm_kimg:g} kimg this is number {len(self._alarms)}, "
                f"and {self.max_alarms} are mended; a lower learning rate or a larger model.r1.gamma may help"
            ) from alarm
        sound = step - alarm.steps
        path = whole_checkpoint_before(runner.work_dir, sound - self.distance)
        if (path := path or whole_checkpoint_before(runner.work_dir, sound)) is None:
            raise Diverged(
                f"{about}. No checkpoint from before the trouble is there to go back to"
            ) from alarm
        with whole_file(Path(runner.work_dir, POINTER)) as pointer:
            pointer.write_text(path.name, encoding="utf-8")
        loop.roll_back(path, self.skip * loop.images_per_iter)
        history = runner.message_hub.get_info(METRIC, [])
        runner.message_hub.update_info(METRIC, [each for each in history if each[0] <= runner.iter])
        self._begin()
        self._slow_down(runner)
        self._write_down(runner, dict(reason=str(alarm), kimg=kimg, iteration=step), path)

    def _slow_down(self, runner: Runner) -> None:
        for wrapper in _wrappers(runner).values():
            for group in wrapper.param_groups:
                group["lr"] *= self.lr_factor
        self._raise_gamma(runner, self.gamma_factor)
        known = runner.message_hub.get_info(GAMMA_FACTOR, 1.0)
        runner.message_hub.update_info(GAMMA_FACTOR, known * self.gamma_factor)

    @staticmethod
    def _raise_gamma(runner: Runner, factor: float) -> None:
        r1 = getattr(unwrap(runner.model), "r1", None)
        if r1 is not None and factor != 1:
            r1.raise_gamma(factor)

    def _write_down(self, runner: Runner, incident: dict[str, Any], path: Path) -> None:
        loop: KimgTrainLoop = runner.train_loop
        incident |= dict(
            time=time.strftime("%Y-%m-%d %H:%M:%S"),
            goes_on_from=path.name,
            goes_on_at_kimg=int(loop.images_seen) / 1000,
            data_skipped_kimg=loop.skipped / 1000,
            lr_factor=self.lr_factor,
            gamma_factor=self.gamma_factor,
        )
        runner.logger.error(f"Training has diverged and goes back: {json.dumps(incident)}")
        runner.message_hub.update_scalar("train/incidents", len(self._alarms))
        if is_main_process():
            with Path(runner.work_dir, INCIDENTS).open("a", encoding="utf-8") as file:
                file.write(json.dumps(incident) + "\n")

    def after_train(self, runner: Runner) -> None:
        """Report the rest, and end with an error if more than some steps had a loss that was not finite.

        Raises:
            FloatingPointError: If such losses, or the weights, were not finite.
        """
        self._report(runner)
        raise_alike(broken_weights(runner, 1))
        few = max(self.watch.patience - 1, self._all_iterations // 100)
        losses = {
            name: count
            for name, count in self._total.items()
            if not name.startswith(GRADIENTS) and count > few
        }
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
        self._all_iterations += self._iterations
        self._recent, self._iterations = Counter(), 0


def in_words(counts: Mapping[str, int]) -> str:
    """Counts of names, the gradients as such."""
    names = {name: name.replace(GRADIENTS, "gradient of the ") for name in counts}
    return ", ".join(f"{names[name]} {count} times" for name, count in sorted(counts.items()))


def raise_alike(alarm: Diverged | None) -> None:
    """Raise the alarm of any process in all of them.

    Args:
        alarm: That of this process, if any.

    Raises:
        Diverged: The first one.
    """
    alarms = [each for each in all_gather_object(alarm and (str(alarm), alarm.steps)) if each]
    if alarms:
        raise Diverged(*alarms[0])


def broken_weights(runner: Runner, steps: int) -> Diverged | None:
    """Look whether the model, and what the optimisers keep, is finite.

    Args:
        runner: The runner.
        steps: For how long they may have been broken.

    Returns:
        The alarm if they are not; logged, and the first names are given.
    """
    state = dict(unwrap(runner.model).state_dict())
    for name, wrapper in _wrappers(runner).items():
        for index, kept in enumerate(wrapper.optimizer.state.values()):
            state |= {f"optim_wrapper.{name}.{index}.{key}": value for key, value in kept.items()}
    if not (broken := not_finite(state)):
        return None
    names = ", ".join(broken[:3] + ["..."] * (len(broken) > 3))
    images = int(state.get("images_seen", 0))
    message = f"after {images} images {len(broken)} weights are not finite ({names}); they are not saved"
    print_log(f"Training has diverged: {message}", logger="current", level=logging.ERROR)
    return Diverged(message, steps)


def _wrappers(runner: Runner) -> dict[str, OptimWrapper]:
    """Return the optimisers by name, of which a GAN has two."""
    wrapper = runner.optim_wrapper
    return dict(wrapper.items()) if isinstance(wrapper, OptimWrapperDict) else {"optimizer": wrapper}
