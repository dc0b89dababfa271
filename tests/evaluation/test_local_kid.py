"""KID against the direct formula, closed forms and its own lack of bias."""

from itertools import product

import numpy as np
import pytest
import torch

from projects.threedgp.evaluation import LocalKID, kernel_inception_distance, squared_mmd
from projects.threedgp.evaluation.local_kid import polynomial_kernel
from tests.stand_ins import save_inception_stand_in


def direct(x, y):
    """Equation 3 of Gretton et al., term by term."""

    def kernel(a, b):
        return (float(a @ b) / len(a) + 1) ** 3

    n, m = len(x), len(y)
    within_x = sum(kernel(x[i], x[j]) for i, j in product(range(n), range(n)) if i != j) / (n * (n - 1))
    within_y = sum(kernel(y[i], y[j]) for i, j in product(range(m), range(m)) if i != j) / (m * (m - 1))
    return within_x + within_y - 2 * sum(kernel(a, b) for a in x for b in y) / (n * m)


def test_the_estimate_is_the_direct_formula_also_of_sets_of_different_size():
    x, y = torch.randn(7, 3, dtype=torch.float64), torch.randn(5, 3, dtype=torch.float64) + 0.5
    assert squared_mmd(x, y).item() == pytest.approx(direct(x.numpy(), y.numpy()), rel=1e-12)


def test_two_points_each():
    """In one dimension: k(0, 0) = 1, k(1, 1) = 8, k(0, 1) = 1."""
    zeros, ones = torch.zeros(2, 1), torch.ones(2, 1)
    assert squared_mmd(zeros, ones).item() == 1 + 8 - 2
    assert squared_mmd(ones, ones).item() == 0


def test_gaussians_in_one_dimension():
    """E (x y + 1)^3 = 1 + 3 E x E y + 3 E x² E y² + E x³ E y³ of x ~ N(0, 1) and y ~ N(1/2, 1)."""
    moments = np.array([[0, 1, 0], [0.5, 1.25, 0.5**3 + 3 * 0.5]])
    expected = [
        1 + (np.array([3, 3, 1]) * moments[i] * moments[j]).sum() for i, j in [(0, 0), (1, 1), (0, 1)]
    ]
    x, y = torch.randn(20000, 1), torch.randn(20000, 1) + 0.5
    wanted = expected[0] + expected[1] - 2 * expected[2]
    values = kernel_inception_distance(x, y, subsets=200)
    assert values.mean() == pytest.approx(wanted, abs=4 * values.std() / 200**0.5)


def test_there_is_no_bias():
    """Of sets of one distribution the mean is around 0, however small they are; FID grows as they shrink."""
    values = [squared_mmd(torch.randn(4, 2), torch.randn(4, 2)).item() for _ in range(4000)]
    assert np.mean(values) == pytest.approx(0, abs=4 * np.std(values) / 4000**0.5)
    assert 0.3 < np.mean(np.array(values) < 0) < 0.8


def test_subsets_are_those_of_the_seed_and_leave_other_random_numbers_alone():
    fake, real = torch.randn(50, 4), torch.randn(60, 4)
    state = torch.get_rng_state()
    first = kernel_inception_distance(fake, real, subsets=5, size=10, seed=3)
    assert np.array_equal(first, kernel_inception_distance(fake, real, subsets=5, size=10, seed=3))
    assert not np.array_equal(first, kernel_inception_distance(fake, real, subsets=5, size=10, seed=4))
    assert len(set(first)) == 5 and torch.equal(state, torch.get_rng_state())


def test_small_sets_are_taken_whole_and_once():
    fake, real = torch.randn(30, 4), torch.randn(30, 4) + 1
    [value] = kernel_inception_distance(fake, real)
    assert value == pytest.approx(squared_mmd(fake.double(), real.double()).item(), rel=1e-12)
    assert len(kernel_inception_distance(fake[:20], real, subsets=7)) == 7


def test_large_features_lose_no_digits():
    x, y = torch.randn(40, 8) * 30 + 100, torch.randn(40, 8) * 30 + 101
    [value] = kernel_inception_distance(x, y)
    assert value == pytest.approx(direct(x.double().numpy(), y.double().numpy()), rel=1e-9)


def test_the_kernel():
    x, y = torch.tensor([[1.0, 2.0]]), torch.tensor([[3.0, -1.0], [0.0, 0.0]])
    assert polynomial_kernel(x, y).tolist() == [[1.5**3, 1.0]]


@pytest.mark.parametrize("numbers", [dict(subsets=0), dict(subset_size=1)])
def test_subsets_without_pairs_are_refused(tmp_path, numbers):
    with pytest.raises(ValueError, match=r"LocalKID: got subsets=\d+ and subset_size=\d+, wanted at least 1"):
        LocalKID(inception_path=save_inception_stand_in(tmp_path), **numbers)


def test_the_metric_reports_mean_and_deviation_of_the_subsets(tmp_path):
    metric = LocalKID(inception_path=save_inception_stand_in(tmp_path), subsets=6, subset_size=8, seed=2)
    fake, metric.real_features = torch.randn(20, 6), torch.randn(30, 6)
    values = kernel_inception_distance(fake, metric.real_features, 6, 8, 2)
    assert metric.compute_metrics(fake.split(1)) == {"kid": values.mean(), "kid_std": values.std()}
