"""The Fréchet distance against closed forms and SciPy's matrix square root."""

import numpy as np
import pytest
import torch
from scipy import linalg

from projects.threedgp.evaluation.feature_metric import mean_and_covariance
from projects.threedgp.evaluation.local_fid import LocalFID, frechet_distance
from tests.stand_ins import save_inception_stand_in


def covariance(rng, size, samples=None):
    return np.cov(
        rng.standard_normal((samples or 4 * size, size)) @ rng.standard_normal((size, size)), rowvar=False
    )


def test_gaussians_with_the_same_axes():
    rng = np.random.default_rng(0)
    axes = linalg.qr(rng.standard_normal((7, 7)))[0]
    std, other_std = rng.uniform(0, 3, (2, 7))
    mean, other_mean = rng.standard_normal((2, 7))
    covs = [(axes * each**2) @ axes.T for each in (std, other_std)]
    means, covariances = ((mean - other_mean) ** 2).sum(), ((std - other_std) ** 2).sum()
    got = frechet_distance(mean, covs[0], other_mean, covs[1])
    np.testing.assert_allclose(got, (means + covariances, means, covariances), rtol=1e-10)


def test_two_dimensions():
    """tr (A B)^½ = (tr A B + 2 (det A B)^½)^½ for 2 x 2 matrices."""
    rng = np.random.default_rng(1)
    a, b = covariance(rng, 2), covariance(rng, 2)
    root = np.sqrt(np.trace(a @ b) + 2 * np.sqrt(linalg.det(a @ b)))
    got, _, _ = frechet_distance(np.zeros(2), a, np.zeros(2), b)
    assert got == pytest.approx(np.trace(a + b) - 2 * root, rel=1e-10)


def test_scipys_square_root():
    rng = np.random.default_rng(2)
    a, b = covariance(rng, 64), covariance(rng, 64)
    wanted = np.trace(a + b - 2 * linalg.sqrtm(a @ b).real)
    assert frechet_distance(np.zeros(64), a, np.zeros(64), b)[2] == pytest.approx(wanted, rel=1e-8)


def test_fewer_samples_than_dimensions():
    """Singular covariances, as those of a quick check; the distance of one to itself is 0."""
    rng = np.random.default_rng(3)
    a, mean = covariance(rng, 64, samples=10), rng.standard_normal(64)
    assert frechet_distance(mean, a, mean, a)[0] == pytest.approx(0, abs=1e-6 * np.trace(a))
    assert frechet_distance(mean, a, mean, 4 * a)[0] == pytest.approx(np.trace(a), rel=1e-6)


def test_is_what_the_metric_reports(tmp_path):
    rng = np.random.default_rng(4)
    metric = LocalFID(fake_nums=50, inception_path=save_inception_stand_in(tmp_path))
    metric.real_mean, metric.real_cov = rng.standard_normal(5), covariance(rng, 5)
    rows = (rng.standard_normal((50, 5)) + 1e3).astype(np.float32)
    exact = rows.astype(np.float64)
    wanted = frechet_distance(
        exact.mean(axis=0), np.cov(exact, rowvar=False), metric.real_mean, metric.real_cov
    )
    got = metric.compute_metrics([torch.from_numpy(row[None]) for row in rows])
    np.testing.assert_allclose([got["fid"], got["mean"], got["cov"]], wanted, rtol=1e-10)


def test_mean_and_covariance_do_not_depend_on_how_many_rows_are_taken_at_once():
    rows = torch.randn(103, 6) * 3 + 1e3
    wanted = rows.double().numpy()
    for at_once in (1, 10, 103, 200):
        mean, cov = mean_and_covariance(rows, at_once)
        np.testing.assert_allclose(mean, wanted.mean(axis=0), rtol=1e-13)
        np.testing.assert_allclose(cov, np.cov(wanted, rowvar=False), rtol=1e-9, atol=1e-9)
