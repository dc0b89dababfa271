"""Schedules: values of the training time, which is one number, the images seen so far."""

import math
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
        from_kimg: Where the ramp begins; until then the value is ``start``.

    Raises:
        ValueError: If ``over_kimg`` or ``from_kimg`` is negative.
    """

    start: float
    end: float
    over_kimg: float
    from_kimg: float = 0.0

    def __post_init__(self) -> None:
        for name in ("over_kimg", "from_kimg"):
            value = getattr(self, name)
            if not (isinstance(value, int | float) and 0 <= value < math.inf):
                raise ValueError(f"{name}: got {value!r}, wanted a number >= 0")

    def __call__(self, kimg: float) -> float:
        """Return the value after ``kimg`` thousand images."""
        kimg = kimg - self.from_kimg
        if kimg < 0:
            return self.start
        progress = min(kimg / self.over_kimg, 1.0) if self.over_kimg > 0 else 1.0
        return self.start + (self.end - self.start) * progress


@dataclass(frozen=True)
class Staircase:
    """A level of progressive growing: it stays, moves to the next whole number, stays, and so on.

    Args:
        levels: The last level.
        hold_kimg: How long each level stays, thousands of images.
        fade_kimg: How long each move takes.

    Raises:
        ValueError: If a length is negative or both are 0.
    """

    levels: int
    hold_kimg: float
    fade_kimg: float

    def __post_init__(self) -> None:
        length = self.hold_kimg + self.fade_kimg
        if not (min(self.hold_kimg, self.fade_kimg) >= 0 and 0 < length < math.inf):
            got = f"{self.hold_kimg}, {self.fade_kimg}"
            raise ValueError(f"hold_kimg, fade_kimg: got {got}, wanted numbers >= 0 that are not both 0")

    def __call__(self, kimg: float) -> float:
        """Return the level after ``kimg`` thousand images."""
        whole, rest = divmod(kimg, self.hold_kimg + self.fade_kimg)
        moved = (rest - self.hold_kimg) / self.fade_kimg if rest > self.hold_kimg else 0.0
        return min(whole + moved, float(self.levels))


Schedule = float | Mapping[str, float] | Linear
"""What a config may say: a number (constant), ``dict(start, end, over_kimg)``, or the schedule itself."""
Level = Mapping[str, float] | Linear | Staircase
"""A schedule of progressive growing; as a config that of ``Linear`` or ``Staircase``, by the names in it."""


def build_level(value: Level) -> Linear | Staircase:
    """Make a schedule of progressive growing of a config value."""
    if isinstance(value, Mapping):
        return Staircase(**value) if "levels" in value else Linear(**value)  # type: ignore[arg-type]
    return value


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
