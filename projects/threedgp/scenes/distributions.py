"""One-dimensional distributions written as text, such as ``truncnorm:1.2:0.15:0.9:1.5``."""

import math
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

FORMS = {
    "uniform": ("MIN", "MAX"),
    "normal": ("MEAN", "STD"),
    "truncnorm": ("MEAN", "STD", "MIN", "MAX"),
    "constant": ("V",),
}
WANTED = " or ".join(":".join((kind, *names)) for kind, names in FORMS.items())


@dataclass(frozen=True)
class Distribution:
    """A distribution of one number.

    Args:
        kind: A key of ``FORMS``.
        values: The numbers that ``FORMS[kind]`` names, in that order.
    """

    kind: str
    values: tuple[float, ...]

    def __str__(self) -> str:
        numbers = (repr(float(value)).removesuffix(".0") for value in self.values)
        return ":".join([self.kind, *numbers])

    @property
    def bounds(self) -> tuple[float, float]:
        """The smallest and the largest value that a draw can take."""
        if self.kind == "normal":
            return -math.inf, math.inf
        if self.kind == "constant":
            return self.values[0], self.values[0]
        return self.values[-2], self.values[-1]

    def sample(self, rng: np.random.Generator) -> float:
        """Return one draw; every kind takes exactly one number from ``rng``."""
        u = rng.random()
        if self.kind == "constant":
            return self.values[0]
        if self.kind == "uniform":
            low, high = self.values
            return low + u * (high - low)
        normal = NormalDist(*self.values[:2])
        low, high = self.bounds
        cdf_low, cdf_high = (normal.cdf(bound) for bound in (low, high))
        quantile = cdf_low + u * (cdf_high - cdf_low)
        return min(max(normal.inv_cdf(min(max(quantile, 1e-12), 1 - 1e-12)), low), high)


def parse_distribution(text: str, flag: str, low: float = -math.inf, high: float = math.inf) -> Distribution:
    """Read a distribution and check that all its draws stay inside an open interval.

    Args:
        text: For example ``uniform:10:30``; the forms are in ``FORMS``.
        flag: Name of the setting, for the error.
        low: Draws have to be larger.
        high: Draws have to be smaller.

    Returns:
        The ``Distribution``.

    Raises:
        ValueError: If the text has none of the forms, or draws could leave the interval.
    """
    kind, *fields = text.strip().split(":")
    if kind not in FORMS or len(fields) != len(FORMS[kind]):
        raise ValueError(f"{flag}: got {text!r}, wanted {WANTED}")
    try:
        values = tuple(float(field) for field in fields)
    except ValueError:
        raise ValueError(f"{flag}: got {text!r}, wanted numbers in {WANTED}") from None
    distribution = Distribution(kind, values)
    _check_values(distribution, text, flag)
    least, largest = distribution.bounds
    if (math.isfinite(low) and least <= low) or (math.isfinite(high) and largest >= high):
        raise ValueError(
            f"{flag}: got {text!r} with draws in [{least:g}, {largest:g}], "
            f"wanted draws inside ({low:g}, {high:g})"
        )
    return distribution


def _check_values(distribution: Distribution, text: str, flag: str) -> None:
    values = distribution.values
    if not all(math.isfinite(value) for value in values):
        raise ValueError(f"{flag}: got {text!r}, wanted finite numbers")
    if distribution.kind in ("normal", "truncnorm") and values[1] <= 0:
        raise ValueError(f"{flag}: got {text!r} with STD {values[1]:g}, wanted STD > 0")
    least, largest = distribution.bounds
    if least > largest:
        raise ValueError(f"{flag}: got {text!r}, wanted MIN <= MAX")
    if distribution.kind == "truncnorm":
        normal = NormalDist(*values[:2])
        if normal.cdf(largest) - normal.cdf(least) < 1e-6:
            raise ValueError(f"{flag}: got {text!r}, wanted MEAN within 4 STD of [MIN, MAX]")
