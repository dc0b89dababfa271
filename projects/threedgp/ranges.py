"""Ranges of numbers, said in the annotations of arguments and checked where a config is turned into parts.

``def __init__(self, gamma: NonNegative = 0.05)`` is documentation, a type, and a check in one.
"""

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from types import NoneType
from typing import Annotated, Any, get_args, get_type_hints

from .schedules import Linear, Schedule


@dataclass(frozen=True)
class Range:
    """Which finite numbers an argument takes.

    Args:
        low: The smallest.
        high: The largest.
        above: Only larger numbers than the smallest.
        whole: Whole numbers only.
    """

    low: float = -math.inf
    high: float = math.inf
    above: bool = False
    whole: bool = False

    def __contains__(self, value: object) -> bool:
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
            return False
        if self.whole and not isinstance(value, int):
            return False
        return (self.low < value if self.above else self.low <= value) and value <= self.high

    def __str__(self) -> str:
        kind = "a whole number" if self.whole else "a number"
        if self.high < math.inf:
            return f"{kind} in {'(' if self.above else '['}{self.low:g}, {self.high:g}]"
        if self.low == -math.inf:
            return kind
        return f"{kind} {'above' if self.above else 'of at least'} {self.low:g}"


Number = Annotated[float, Range()]
NonNegative = Annotated[float, Range(0)]
Positive = Annotated[float, Range(0, above=True)]
Share = Annotated[float, Range(0, 1)]
Count = Annotated[int, Range(0, whole=True)]
Size = Annotated[int, Range(1, whole=True)]
NumberSchedule = Annotated[Schedule, Range()]
NonNegativeSchedule = Annotated[Schedule, Range(0)]
PositiveSchedule = Annotated[Schedule, Range(0, above=True)]
ShareSchedule = Annotated[Schedule, Range(0, 1)]


def check_ranges(function: Callable, arguments: Mapping[str, Any], owner: str) -> None:
    """Compare arguments with the ranges in a function's annotations; those without a range may be anything.

    Args:
        function: The function, such as an ``__init__``.
        arguments: Some of its arguments by name. Of a schedule all values are looked at, of a mapping those
            that are numbers.
        owner: What the arguments are of, for the message.

    Raises:
        ValueError: If one is out of its range, or no number where there should be one.
    """
    for name, (wanted, allows_none, allows_text) in _ranges(function).items():
        if name not in arguments:
            continue
        value = arguments[name]
        if (value is None and allows_none) or (isinstance(value, str) and allows_text):
            continue
        for place, number in _numbers(value):
            if number not in wanted:
                raise ValueError(f"{owner}.{name}{place}: got {number!r}, wanted {wanted}")


def _numbers(value: Any) -> Iterator[tuple[str, Any]]:
    """Yield what has to be in the range, and where in an argument it is."""
    if isinstance(value, Linear):
        value = {"start": value.start, "end": value.end}
    if isinstance(value, Mapping):
        for key in value.keys() - {"over_kimg", "from_kimg"}:
            yield f".{key}", value[key]
    elif isinstance(value, list | tuple):
        yield from ((f".{index}", number) for index, number in enumerate(value))
    else:
        yield "", value


@cache
def _ranges(function: Callable) -> dict[str, tuple[Range, bool, bool]]:
    """Return the range of each argument that has one, and whether None and texts are as good."""
    ranges = {}
    for name, hint in get_type_hints(function, include_extras=True).items():
        kinds = set(_inside(hint))
        if found := next((kind for kind in kinds if isinstance(kind, Range)), None):
            ranges[name] = found, NoneType in kinds, str in kinds
    return ranges


def _inside(hint: Any) -> Iterator[Any]:
    """Yield a type and all that it is made of, the ranges among them; not what is inside of a schedule."""
    yield hint
    if any(isinstance(extra, Range) for extra in getattr(hint, "__metadata__", ())):
        yield from hint.__metadata__
        return
    for part in get_args(hint):
        yield from _inside(part)
