"""projects/threedgp/schedules.py"""

import pytest

from projects.threedgp.schedules import Linear, build_schedule


@pytest.mark.parametrize("kimg, value", [(0, 1.0), (250, 0.75), (1000, 0.0), (5000, 0.0)])
def test_linear_moves_and_stays(kimg, value):
    assert Linear(start=1.0, end=0.0, over_kimg=1000)(kimg) == value


def test_no_ramp_gives_the_end_at_once():
    assert Linear(start=1.0, end=3.0, over_kimg=0)(0) == 3.0


def test_negative_ramp_is_refused():
    with pytest.raises(ValueError, match="over_kimg: got -1"):
        Linear(0.0, 1.0, -1)


def test_config_values():
    linear = Linear(0.0, 2.0, 10.0)
    assert build_schedule(linear) is linear
    assert build_schedule(dict(start=0.0, end=2.0, over_kimg=10.0)) == linear
    assert build_schedule(0.3)(0) == build_schedule(0.3)(1e6) == 0.3
