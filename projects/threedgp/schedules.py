"""Schedules: values of the training time, which is one number, the images seen so far."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Protocol, runtime_checkable


@dataclass(frozen=True)
class Linear:
    """A value that moves linearly from ``start`` to ``end`` and then stays there.

    Args:
        start: Value at 0 kimg.
        end: Value from ``over_kimg`` on.
        over_kimg: Length of the ramp in thousands of images. 0 means that ``end`` holds at once.

    Raises:
        ValueError: If ``over_kimg`` is negative.
    """

    start: float
    end: float
    over_kimg: float

    def __post_init__(self) -> None:
        if self.over_kimg < 0:
            raise ValueError(f"over_kimg: got {self.over_kimg}, wanted a number >= 0")

    def __call__(self, kimg: float) -> float:
        """Return the value after ``kimg`` thousand images."""
        progress = min(kimg / self.over_kimg, 1.0) if self.over_kimg > 0 else 1.0
        return self.start + (self.end - self.start) * progress


Schedule = float | Mapping[str, float] | Linear
"""What a config may say: a number (constant), ``dict(start, end, over_kimg)``, or the schedule itself."""


def build_schedule(value: Schedule) -> Linear:
    """Make a schedule of a config value."""
    if isinstance(value, Linear):
        return value
    if isinstance(value, Mapping):
        return Linear(**value)
    return Linear(start=value, end=value, over_kimg=0)


@runtime_checkable
class Scheduled(Protocol):
    """A part whose work depends on the training time."""

    def schedules(self, kimg: float) -> dict[str, float]:
        """Return the values of the part's schedules by name, for the logs."""


def schedule_values(parts: Iterable[object], kimg: float) -> dict[str, float]:
    """Ask all parts that have schedules for their values; the others, and None, have none."""
    scheduled = [part for part in parts if isinstance(part, Scheduled)]
    return {name: value for part in scheduled for name, value in part.schedules(kimg).items()}
