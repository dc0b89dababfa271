"""projects/threedgp/schedules.py"""

import pytest

from projects.threedgp.models.blur_fade import BlurFade
from projects.threedgp.models.patch_sampler import PatchSampler
from projects.threedgp.schedules import Linear, Staircase, build_level, build_schedule, schedule_values
from tests.tiny import tiny_generator


@pytest.mark.parametrize("kimg, value", [(0, 1.0), (250, 0.75), (1000, 0.0), (5000, 0.0)])
def test_linear_moves_and_stays(kimg, value):
    assert Linear(start=1.0, end=0.0, over_kimg=1000)(kimg) == value


def test_no_ramp_gives_the_end_at_once():
    assert Linear(start=1.0, end=3.0, over_kimg=0)(0) == 3.0


def test_negative_ramp_is_refused():
    with pytest.raises(ValueError, match="over_kimg: got -1"):
        Linear(0.0, 1.0, -1)


@pytest.mark.parametrize("kimg, value", [(0, 1.0), (10, 1.0), (15, 2.0), (20, 3.0), (50, 3.0)])
def test_linear_may_begin_later(kimg, value):
    assert Linear(start=1.0, end=3.0, over_kimg=10, from_kimg=10)(kimg) == value


@pytest.mark.parametrize(
    "kimg, level", [(0, 0), (3, 0), (4, 0.5), (5, 1), (8, 1), (9.5, 1.75), (10, 2), (14, 2), (90, 2)]
)
def test_stairs_stay_and_move(kimg, level):
    assert Staircase(levels=2, hold_kimg=3, fade_kimg=2)(kimg) == level


def test_stairs_may_jump():
    stairs = Staircase(levels=2, hold_kimg=3, fade_kimg=0)
    assert [stairs(kimg) for kimg in (0, 2.9, 3, 5.9, 6, 100)] == [0, 0, 1, 1, 2, 2]


def test_stairs_that_never_end_are_refused():
    with pytest.raises(ValueError, match="hold_kimg, fade_kimg: got 0, 0"):
        Staircase(levels=2, hold_kimg=0, fade_kimg=0)


def test_levels_of_a_config():
    assert build_level(dict(levels=2, hold_kimg=3, fade_kimg=2)) == Staircase(2, 3, 2)
    assert build_level(dict(start=0, end=3, over_kimg=9, from_kimg=1)) == Linear(0, 3, 9, 1)


def test_config_values():
    linear = Linear(0.0, 2.0, 10.0)
    assert build_schedule(linear) is linear
    assert build_schedule(dict(start=0.0, end=2.0, over_kimg=10.0)) == linear
    assert build_schedule(0.3)(0) == build_schedule(0.3)(1e6) == 0.3


def test_parts_report_their_own_schedules():
    sampler = PatchSampler(beta=dict(start=1.0, end=3.0, over_kimg=10), min_scale=0.5)
    generator = tiny_generator(density_noise=dict(start=1.0, end=0.0, over_kimg=10))
    parts = [BlurFade(init_sigma=8.0, fade_kimg=10), None, "a part without schedules", sampler, generator]
    assert schedule_values(parts, kimg=5) == {
        "blur_sigma": 4.0,
        "patch_beta": 2.0,
        "patch_min_scale": 0.5,
        "density_noise": 0.5,
        "depth_identity_prob": generator.depth_adaptor.identity_prob(5),
    }
