"""projects/threedgp/ranges.py"""

import math
import re
from collections.abc import Mapping, Sequence
from typing import get_type_hints

import pytest
from mmagic import registry
from mmengine.registry import Registry

import projects.threedgp.data
import projects.threedgp.engine
import projects.threedgp.evaluation  # noqa: F401
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


# Numbers without a range, each with what looks at it instead.
OTHERWISE = {
    "CameraPrior": "its distributions look at their parameters",
    "FeatureVolumeField.bounds": "corners of a box, compared with each other",
    "ThreeDGPGenerator.growing": "a schedule, which looks at itself",
    "LocalFID.real_nums": "-1 for all; compared with the data",
    "LocalKID.real_nums": "the same",
    "LocalPrecisionRecall.real_nums": "the same",
    "FlatLabelPreprocessor": "the toolkit's arguments",
}


def registered():
    """Every component of ours."""
    registries = [each for each in vars(registry).values() if isinstance(each, Registry)]
    found = {kind for each in registries for kind in each.module_dict.values() if isinstance(kind, type)}
    return sorted(
        (kind for kind in found if kind.__module__.startswith("projects.threedgp.")),
        key=lambda kind: kind.__name__,
    )


def test_every_number_of_every_component_has_a_range():
    assert len(registered()) > 50
    without = [
        f"{kind.__name__}.{name}"
        for kind in registered()
        for name, hint in get_type_hints(kind.__init__, include_extras=True).items()
        if re.search(r"\b(int|float)\b", str(hint)) and "Range(" not in str(hint)
    ]
    assert [each for each in without if not {each, each.partition(".")[0]} & OTHERWISE.keys()] == []


WRONG_NUMBERS = (-1, math.nan, math.inf, "a text")


def test_no_component_takes_what_is_no_size_share_or_weight():
    """Whatever its range is: what is not finite, or a text where no text is meant, is in none of them."""
    for kind in registered():
        for name, hint in get_type_hints(kind.__init__, include_extras=True).items():
            text = str(hint)
            if "Range(" not in text:
                continue
            for value in WRONG_NUMBERS:
                may_be_text = isinstance(value, str) and "str" in text
                may_be_negative = value == -1 and "low=-inf" in text
                if may_be_text or may_be_negative:
                    continue
                with pytest.raises(ValueError, match=rf"Part\.{name}"):
                    check_ranges(kind.__init__, {name: value}, "Part")
