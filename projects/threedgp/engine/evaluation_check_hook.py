"""Looks ahead, before training, at the evaluation that comes after it."""

import logging
from collections.abc import Iterable

from mmagic.registry import HOOKS
from mmengine.dist import is_main_process
from mmengine.hooks import CheckpointHook, Hook
from mmengine.logging import print_log
from mmengine.runner import Runner


@HOOKS.register_module()
class EvaluationCheckHook(Hook):
    """Checks, before the first step, the metric of the best checkpoint and the test section of the config.

    A validation that cannot work ends the training at once, when its loop is built, see ``SeededValLoop``.
    A test that cannot work is a warning: training does not need it, and it can be mended until then.

    Args:
        check_test: Look at the test section, which builds its dataset and metrics and drops them again.
    """

    priority = "HIGH"

    def __init__(self, check_test: bool = True) -> None:
        self.check_test = check_test

    def before_train(self, runner: Runner) -> None:
        """Check what comes later.

        Args:
            runner: The runner.

        Raises:
            ValueError: If no metric of the validation has the name that the best checkpoint is chosen by.
        """
        if runner.val_loop is not None:
            check_save_best(runner)
        if self.check_test and is_main_process():
            _warn_of_test(runner)


def check_save_best(runner: Runner) -> None:
    """Refuse a ``save_best`` that no metric of the validation has.

    Args:
        runner: The runner, with a validation loop.

    Raises:
        ValueError: If there is one.
    """
    evaluators = getattr(runner.val_loop, "evaluators", [])
    prefixes = sorted({str(each.prefix) for evaluator in evaluators for each in evaluator.metrics or []})
    for name in _save_best(runner.hooks):
        if name != "auto" and name.rpartition("/")[0] not in prefixes:
            raise ValueError(
                f"default_hooks.checkpoint.save_best: got {name!r}, wanted None or a value of one of "
                f"val_evaluator's metrics: {', '.join(f'{prefix}/...' for prefix in prefixes) or 'none'}"
            )


def _save_best(hooks: Iterable[Hook]) -> list[str]:
    return [name for hook in hooks if isinstance(hook, CheckpointHook) for name in hook.save_best or []]


def _warn_of_test(runner: Runner) -> None:
    if not isinstance(runner._test_loop, dict):
        return
    try:
        runner.build_test_loop(runner._test_loop)
    except Exception as error:
        text = " ".join(str(error).split()) or type(error).__name__
        print_log(f"test_evaluator: the test after training would fail: {text}", "current", logging.WARNING)
