"""What repeated times of several arms say about their ratios."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

RESAMPLES = 10_000


@dataclass(frozen=True)
class Ratio:
    """A ratio of medians, or a median of ratios, with its 95 % interval."""

    median: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.median:.3f} ({self.low:.3f} to {self.high:.3f})"


def paired_ratio(values: Sequence[float], references: Sequence[float], seed: int = 0) -> Ratio:
    """The median ratio of pairs, with the bootstrap's percentiles over pairs.

    Args:
        values: One of each pair.
        references: The other, which the first is divided by.
        seed: Of the bootstrap.

    Raises:
        ValueError: If the lengths differ or there is no pair.
    """
    if len(values) != len(references) or not len(values):
        raise ValueError(f"pairs: got {len(values)} and {len(references)} values, wanted as many of each")
    ratios = np.divide(values, references)
    draws = np.random.default_rng(seed).choice(ratios, (RESAMPLES, len(ratios)))
    return _ratio(float(np.median(ratios)), np.median(draws, axis=1))


def unpaired_ratio(values: Sequence[float], references: Sequence[float], seed: int = 0) -> Ratio:
    """The ratio of the medians of two runs, with the bootstrap's percentiles over each of them.

    Args:
        values: Times of one run.
        references: Times of another, which the first is divided by.
        seed: Of the bootstrap.

    Raises:
        ValueError: If there are none.
    """
    if not (len(values) and len(references)):
        raise ValueError(f"runs: got {len(values)} and {len(references)} values, wanted some of each")
    rng = np.random.default_rng(seed)
    above, below = (
        np.median(rng.choice(np.asarray(side), (RESAMPLES, len(side))), axis=1)
        for side in (values, references)
    )
    return _ratio(float(np.median(values) / np.median(references)), above / below)


def _ratio(median: float, draws: np.ndarray) -> Ratio:
    low, high = np.quantile(draws, (0.025, 0.975))
    return Ratio(median, float(low), float(high))


def interleaved(arms: Sequence[str], rounds: int) -> Iterator[str]:
    """Arms in their order, A B C C B A A B C ..., in which a steady drift cancels out."""
    for index in range(rounds):
        yield from arms if index % 2 == 0 else reversed(arms)


def slope(sizes: Sequence[float], values: Sequence[float]) -> float:
    """The exponent p of values that grow as sizes to the power of p, by least squares of the logarithms."""
    return float(np.polyfit(np.log(sizes), np.log(values), 1)[0])
