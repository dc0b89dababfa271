"""What tells that a training goes astray, step by step: the losses of a GAN do not."""

import math
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median

from ..ranges import NonNegative, Positive, Size, check_ranges

GRADIENTS = "grad_nonfinite/"
NORMS = "grad_norm/"
LOGITS = "logits/"


class Diverged(FloatingPointError):
    """A training that has gone astray; its message says how that was noticed.

    Args:
        reason: How.
        steps: For how many steps it has been noticed.
    """

    def __init__(self, reason: str, steps: int = 1) -> None:
        super().__init__(reason)
        self.steps = steps


@dataclass
class DivergenceWatch:
    """Looks at what each step logs. An alarm is raised for what lasts, as a single bad step is survived.

    Args:
        window: Steps of which the median of a gradient's norm is taken; no norm alarms before as many.
        factor: A norm of more than so many medians is one of trouble.
        max_logit: So is a mean logit of the discriminator, of reals or of fakes, of more than this.
        patience: How often in a row a number has to be trouble. Steps that do not log it do not count: R1 is
            applied every 16th step only.
    """

    window: Size = 100
    factor: Positive = 10.0
    max_logit: NonNegative = 100.0
    patience: Size = 5
    _norms: dict[str, deque[float]] = field(default_factory=dict)
    _steps: int = 0
    _lasting: dict[str, list[int]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        check_ranges(DivergenceWatch, vars(self), "DivergenceHook")

    def look(self, values: Mapping[str, float]) -> Diverged | None:
        """Look at what a step logged.

        Args:
            values: Losses, logits, norms of gradients and counts of their entries that are not finite.

        Returns:
            The alarm, if trouble of some kind has lasted long enough; None otherwise.
        """
        troubles = self._troubles(values)
        self._steps += 1
        for name in values:
            if name in troubles:
                self._lasting.setdefault(name, []).append(self._steps)
            else:
                self._lasting.pop(name, None)
        alarms = [name for name in troubles if len(self._lasting[name]) >= self.patience]
        if not alarms:
            return None
        began = min(self._lasting[name][0] for name in alarms)
        what = "; ".join(troubles[name] for name in alarms)
        return Diverged(f"{what}, {self.patience} times in a row", self._steps - began + 1)

    def forget(self) -> None:
        """Begin anew, as after a step back."""
        self._norms, self._steps, self._lasting = {}, 0, {}

    def _troubles(self, values: Mapping[str, float]) -> dict[str, str]:
        """Return what is wrong with this step, by the number that says so."""
        troubles = {name: f"{name} not finite" for name in broken_values(values)}
        for name, value in values.items():
            if name.startswith(NORMS) and self._is_high(name, value):
                usual = median(self._norms[name])
                troubles[name] = f"{name} {value:.3g}, more than {self.factor:g} times the usual {usual:.3g}"
            elif name.startswith(LOGITS) and not abs(value) <= self.max_logit:
                troubles[name] = f"{name} {value:.3g}, wanted at most {self.max_logit:g}"
        return troubles

    def _is_high(self, name: str, value: float) -> bool:
        norms = self._norms.setdefault(name, deque(maxlen=self.window))
        is_high = len(norms) == self.window and value > self.factor * median(norms)
        if not is_high and math.isfinite(value):
            norms.append(value)
        return is_high


def broken_values(values: Mapping[str, float]) -> list[str]:
    """Names of the logged losses that are not finite, and of the gradients that had such entries.

    Args:
        values: What a training step logs.
    """
    losses = [name for name, value in values.items() if "loss" in name and not math.isfinite(float(value))]
    return losses + [name for name in values if name.startswith(GRADIENTS) and float(values[name]) != 0]


def rising(history: Sequence[tuple[int, float]], name: str, factor: float, patience: int) -> Diverged | None:
    """Look whether a metric, of which less is better, went up for good.

    Args:
        history: Step and value of every evaluation.
        name: The metric.
        factor: How many times the lowest value is too much.
        patience: For how many evaluations in a row it has to be.

    Returns:
        The alarm, whose trouble began after the last evaluation that was well; None if there is none.
    """
    if len(history) <= patience:
        return None
    best = min((value for _, value in history if math.isfinite(value)), default=math.inf)
    if any(value <= factor * best for _, value in history[-patience:]):
        return None
    (now, value), (well, _) = history[-1], history[-patience - 1]
    reason = (
        f"{name} {value:.4g}, for {patience} evaluations more than {factor:g} times its lowest {best:.4g}"
    )
    return Diverged(reason, now - well)
