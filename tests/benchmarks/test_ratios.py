"""Ratios of repeated times, and the order in which arms take turns."""

import numpy as np
import pytest

from projects.threedgp.benchmarks.ratios import interleaved, paired_ratio, slope, unpaired_ratio


def test_ratio_is_the_median_over_pairs():
    ratio = paired_ratio([2.0, 3.3, 6.0], [2.0, 3.0, 5.0])
    assert ratio.median == pytest.approx(1.1)
    assert (ratio.low, ratio.high) == pytest.approx((1.0, 1.2))
    assert str(ratio) == "1.100 (1.000 to 1.200)"


def test_what_slows_a_whole_round_does_not_count():
    pace = np.array([1.0, 5.0, 2.0, 1.0])
    ratio = paired_ratio(list(1.01 * pace), list(pace))
    assert (ratio.low, ratio.median, ratio.high) == pytest.approx((1.01,) * 3)


@pytest.mark.parametrize("ratio_of", [paired_ratio, unpaired_ratio])
def test_the_interval_narrows_with_more_values(ratio_of):
    noisy = 1 + 0.1 * np.random.default_rng(0).normal(size=400)
    few, many = (ratio_of(list(noisy[:n]), [1.0] * n) for n in (10, 400))
    assert many.high - many.low < 0.3 * (few.high - few.low)
    assert many.low < 1 < many.high


@pytest.mark.parametrize("values", [[], [1.0]])
def test_pairs_have_two_halves(values):
    with pytest.raises(ValueError, match="pairs: got"):
        paired_ratio(values, [1.0, 2.0] if values else [])


def test_runs_of_different_length_are_compared_by_their_medians():
    ratio = unpaired_ratio([4.0, 4.0, 100.0], [2.0])
    assert ratio.median == 2.0 and ratio.low == 2.0
    with pytest.raises(ValueError, match="runs: got 0 and 1 values"):
        unpaired_ratio([], [1.0])


def test_every_second_round_is_reversed():
    assert list(interleaved("ABC", 3)) == list("ABCCBAABC")


def test_slope_is_the_exponent():
    sizes = [64, 128, 256]
    assert slope(sizes, [3.0 * size**2 for size in sizes]) == pytest.approx(2.0)
    assert slope(sizes, [7.0] * 3) == pytest.approx(0.0)
