"""Evaluation that depends on model, data and seed alone, and is checked when it is built."""

from typing import Any

from mmagic.engine.runner import MultiTestLoop, MultiValLoop
from mmagic.evaluation import Evaluator
from mmagic.registry import LOOPS
from mmengine.runner import Runner
from torch.utils.data import DataLoader

from ..evaluation import SeededEvaluator, check_evaluation
from ..training.state_dicts import unwrap


class _Seeded:
    """What both loops add to the toolkit's: a ``SeededEvaluator``, checked when the loop is built.

    Building a loop, which the Runner does before it trains, checks what all evaluations will need, see
    ``check_evaluation``. Training goes on with the random numbers that it would have without validation.

    Args:
        runner: The runner, whose seed decides on the samples.
        dataloader: Loader of the real images, or several, or configs.
        evaluator: Evaluator of each loader, or configs; the toolkit's become ``SeededEvaluator``.
        **kwargs: See the toolkit's loop.

    Raises:
        ValueError: If a metric cannot be measured with this data or model.
    """

    runner: Runner
    evaluators: list[Evaluator]
    dataloaders: list[DataLoader]

    def __init__(self, runner: Runner, dataloader: Any, evaluator: Any, **kwargs: Any) -> None:
        super().__init__(runner, dataloader, evaluator, **kwargs)  # type: ignore[call-arg]
        check_evaluators(runner, self.evaluators, self.dataloaders)

    def _build_evaluators(self, evaluator: Any) -> list[Evaluator]:
        return seeded(super()._build_evaluators(evaluator), self.runner.seed)  # type: ignore[misc]


@LOOPS.register_module()
class SeededValLoop(_Seeded, MultiValLoop):
    """The toolkit's validation, a function of model, data and seed; see ``_Seeded``."""


@LOOPS.register_module()
class SeededTestLoop(_Seeded, MultiTestLoop):
    """The toolkit's test, a function of model, data and seed; see ``_Seeded``."""


def seeded(evaluators: list[Evaluator], seed: int) -> list[Evaluator]:
    """Replace the toolkit's evaluators by those of a seed; others stay.

    Args:
        evaluators: Evaluators.
        seed: The seed.
    """
    return [SeededEvaluator(each.metrics, seed) if type(each) is Evaluator else each for each in evaluators]


def check_evaluators(runner: Runner, evaluators: list[Evaluator], loaders: list[DataLoader]) -> None:
    """Check all evaluators of a loop.

    Args:
        runner: The runner.
        evaluators: Evaluators.
        loaders: Loader of each.

    Raises:
        ValueError: If a metric cannot be measured with this data or model.
    """
    for evaluator, loader in zip(evaluators, loaders, strict=True):
        check_evaluation(evaluator.metrics or [], loader, unwrap(runner.model))
