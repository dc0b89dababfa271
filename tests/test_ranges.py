"""projects/threedgp/ranges.py"""

import math
from collections.abc import Mapping, Sequence

import pytest

from projects.threedgp.models.building import build
from projects.threedgp.ranges import (
    Count,
    NonNegative,
    Number,
    Positive,
    PositiveSchedule,
    Share,
    ShareSchedule,
    Size,
    check_ranges,
)
from projects.threedgp.schedules import Linear


def component(
    size: Size = 1,
    count: Count | None = None,
    gamma: NonNegative | str = 0.0,
    width: Positive = 1.0,
    share: Share = 0.5,
    number: Number = 0.0,
    ramp: ShareSchedule = 0.0,
    beta: PositiveSchedule | None = None,
    weights: Mapping[str, NonNegative] | None = None,
    scales: Sequence[Share] | None = None,
    name: str = "",
) -> None:
    """What arguments may look like."""


RIGHT = [
    *(dict(size=1), dict(count=0), dict(count=None), dict(gamma=0), dict(gamma="auto"), dict(width=1e-9)),
    *(dict(share=0), dict(share=1), dict(number=-7), dict(ramp=1), dict(ramp=Linear(0.0, 1.0, 5000))),
    *(dict(beta=None), dict(beta=dict(start=1e-3, end=0.8, over_kimg=0)), dict(scales=[0, 0.5])),
    *(dict(scales=None), dict(weights=dict(yaw=0.0, pitch=2)), dict(name="anything"), dict(unknown=-1)),
]
WRONG = [
    (dict(size=0), r"size: got 0, wanted a whole number of at least 1"),
    (dict(size=2.0), r"size: got 2\.0, wanted a whole number"),
    (dict(size=True), r"size: got True, wanted a whole number"),
    (dict(size="three"), r"size: got 'three', wanted a whole number"),
    (dict(size=None), r"size: got None, wanted a whole number"),
    (dict(count=-1), r"count: got -1, wanted a whole number of at least 0"),
    (dict(gamma=-1), r"gamma: got -1, wanted a number of at least 0"),
    (dict(gamma=math.nan), r"gamma: got nan, wanted a number of at least 0"),
    (dict(width=0), r"width: got 0, wanted a number above 0"),
    (dict(share=1.1), r"share: got 1\.1, wanted a number in \[0, 1\]"),
    (dict(number=math.inf), r"number: got inf, wanted a number"),
    (dict(ramp=dict(start=0.0, end=2.0, over_kimg=9)), r"ramp\.end: got 2\.0, wanted a number in \[0, 1\]"),
    (dict(ramp=Linear(-1.0, 0.0, 9)), r"ramp\.start: got -1\.0"),
    (dict(beta=dict(start=0, end=1.0, over_kimg=9)), r"beta\.start: got 0, wanted a number above 0"),
    (dict(weights=dict(yaw=1.0, pitch=-2)), r"weights\.pitch: got -2, wanted a number of at least 0"),
    (dict(scales=[0.5, 3]), r"scales\.1: got 3, wanted a number in \[0, 1\]"),
]


@pytest.mark.parametrize("arguments", RIGHT, ids=str)
def test_what_is_in_range_passes(arguments):
    check_ranges(component, arguments, "Part")


@pytest.mark.parametrize("arguments, message", WRONG, ids=str)
def test_what_is_not_is_named(arguments, message):
    with pytest.raises(ValueError, match=r"Part\." + message):
        check_ranges(component, arguments, "Part")


PARTS = [
    (dict(type="KnowledgeDistillationLoss", weight=-1), r"KnowledgeDistillationLoss\.weight: got -1"),
    (dict(type="PatchSampler", beta=dict(start=0, end=1, over_kimg=1)), r"PatchSampler\.beta\.start: got 0"),
    (dict(type="CameraMeanRegularizer", weight=math.nan), r"CameraMeanRegularizer\.weight: got nan"),
    (dict(type="DepthAdaptor", hidden_dim=0), r"DepthAdaptor\.hidden_dim: got 0, wanted a whole number"),
]


@pytest.mark.parametrize("config, message", PARTS)
def test_parts_are_checked_where_they_are_built(config, message):
    with pytest.raises(ValueError, match=message):
        build(config)
