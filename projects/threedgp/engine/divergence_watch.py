"""What tells that a training goes astray, step by step: the losses of a GAN do not."""

import math
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from statistics import median

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
        patience: Steps that trouble of one kind has to last; numbers that are not finite are one kind.
    """

    window: int = 100
    factor: float = 10.0
    max_logit: float = 100.0
    patience: int = 5
    _norms: dict[str, deque[float]] = field(default_factory=dict)
    _lasting: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name, least in (("window", 1), ("factor", 1), ("max_logit", 0), ("patience", 1)):
            value = getattr(self, name)
            if not (math.isfinite(value) and value >= least):
                raise ValueError(f"DivergenceHook.{name}: got {value}, wanted a number of at least {least}")

    def look(self, values: Mapping[str, float]) -> Diverged | None:
        """Look at what a step logged.

        Args:
            values: Losses, logits, norms of gradients and counts of their entries that are not finite.

        Returns:
            The alarm, if trouble of some kind has lasted long enough; None otherwise.
        """
        troubles = self._troubles(values)
        self._lasting = {kind: self._lasting.get(kind, 0) + 1 for kind in troubles}
        for kind, steps in self._lasting.items():
            if steps >= self.patience:
                return Diverged(f"{troubles[kind]}, in {steps} steps one after the other", steps)
        return None

    def forget(self) -> None:
        """Begin anew, as after a step back."""
        self._norms, self._lasting = {}, {}

    def _troubles(self, values: Mapping[str, float]) -> dict[str, str]:
        """Return what is wrong with this step, by kind."""
        troubles: dict[str, str] = {}
        if broken := broken_values(values):
            troubles["finite"] = f"not finite: {', '.join(broken)}"
        for name, value in values.items():
            if name.startswith(NORMS) and self._is_high(name, value):
                usual = median(self._norms[name])
                troubles[name] = f"{name} {value:.3g}, more than {self.factor:g} times the usual {usual:.3g}"
            elif name.startswith(LOGITS) and abs(value) > self.max_logit:
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
