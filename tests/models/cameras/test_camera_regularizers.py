"""projects/threedgp/models/cameras/camera_regularizers.py"""

import pytest
import torch
from scipy.optimize import linear_sum_assignment
from torch.autograd import gradcheck

from projects.threedgp.models.cameras.camera_prior import CameraPrior
from projects.threedgp.models.cameras.camera_regularizers import (
    CameraEMDRegularizer,
    CameraMeanRegularizer,
    CameraSlopeRegularizer,
    squared_emd,
)
from projects.threedgp.rendering import Camera

MEAN = CameraPrior().mean()
YAW = dict(yaw=1.0)


def cameras(n=6):
    return torch.rand(n, 8, dtype=torch.float64)


def test_transport_between_gaussians():
    """(m1 - m2)^2 + (s1 - s2)^2: the squared 2-Wasserstein distance."""
    quantiles = torch.special.ndtri((torch.arange(100_000).double() + 0.5) / 100_000)[:, None]
    m1, s1, m2, s2 = 0.3, 1.5, -0.4, 0.7
    shuffled = (m2 + s2 * quantiles)[torch.randperm(len(quantiles))]
    cost = squared_emd(m1 + s1 * quantiles, shuffled)
    assert cost.item() == pytest.approx((m1 - m2) ** 2 + (s1 - s2) ** 2, rel=1e-3)


def test_sorted_matching_is_the_optimal_plan():
    a, b = torch.randn(20, 3), torch.randn(20, 3)
    for i in range(3):
        costs = (a[:, None, i] - b[None, :, i]).square()
        best = costs[linear_sum_assignment(costs)].mean()
        torch.testing.assert_close(squared_emd(a, b)[i], best)


def test_a_sample_costs_nothing_to_itself():
    a = torch.randn(20, 2)
    torch.testing.assert_close(squared_emd(a, a[torch.randperm(20)]), torch.zeros(2))


def test_emd_weighs_fields_and_ramps_up():
    prior, posterior = Camera(cameras()), Camera(cameras())
    loss = CameraEMDRegularizer(dict(yaw=2.0, fov_deg=1e-4))
    costs = squared_emd(posterior.params, prior.params)
    for kimg, ramp in ((0, 0.0), (2500, 0.25), (20_000, 1.0)):
        expected = ramp * (2 * costs[0] + 1e-4 * costs[3])
        torch.testing.assert_close(loss(prior, posterior, MEAN, kimg), expected)


def slope_loss(slope, **options):
    prior = torch.rand(10, 8, dtype=torch.float64, requires_grad=True)
    posterior = Camera(slope * prior + 0.3)
    return CameraSlopeRegularizer(YAW, ramp=1.0, **options)(Camera(prior), posterior, MEAN, 0)


def test_slope_loss_is_least_at_slope_one():
    slopes = torch.logspace(-2, 2, 81)
    losses = torch.stack([slope_loss(slope) for slope in slopes])
    assert losses.min().item() == pytest.approx(2, abs=1e-3)
    assert slopes[losses.argmin()].item() == pytest.approx(1)


@pytest.mark.parametrize("slope", [0.1, 0.5, 3.0])
def test_slope_loss_is_slope_plus_inverse_whatever_the_sign(slope):
    expected = slope + 1 / (slope + 1e-4)
    assert slope_loss(slope).item() == pytest.approx(expected)
    assert slope_loss(-slope).item() == pytest.approx(expected)


def test_collapse_costs_most_but_not_infinitely():
    assert slope_loss(0.0, eps=1e-4).item() == pytest.approx(1e4)


def test_mean_loss_is_the_distance_of_the_mean_angles():
    params = MEAN.params.repeat(4, 1)
    params[:, 0] += torch.tensor([0.3 + 0.1, 0.3 - 0.1, 0.3, 0.3])
    params[:, 1] += 0.4
    loss = CameraMeanRegularizer(weight=10.0)(Camera(params), Camera(params), MEAN, 0)
    assert loss.item() == pytest.approx(10 * 0.5, rel=1e-5)


def test_gradients():
    prior = Camera(cameras())
    posterior = cameras().requires_grad_(True)
    mean = Camera(MEAN.params.double())
    for loss in (CameraEMDRegularizer(ramp=1.0), CameraMeanRegularizer()):
        loss = loss.double()
        assert gradcheck(lambda p, loss=loss: loss(prior, Camera(p), mean, 0), (posterior,))


def test_gradient_of_the_slope_loss():
    leaf = cameras().requires_grad_(True)

    def loss(weight):
        posterior = Camera((leaf * weight).tanh())
        return CameraSlopeRegularizer(ramp=1.0).double()(Camera(leaf), posterior, MEAN, 0)

    weight = (0.5 + torch.rand(8, dtype=torch.float64)).requires_grad_(True)
    assert gradcheck(loss, (weight,))


@pytest.mark.parametrize("loss", [CameraEMDRegularizer, CameraSlopeRegularizer])
def test_unknown_field_is_named(loss):
    with pytest.raises(ValueError, match=r"weights: got \['fov'\], wanted camera fields"):
        loss(dict(fov=1.0))
