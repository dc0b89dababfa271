"""projects/threedgp/layers/equalized.py"""

import math

import pytest
import torch

from projects.threedgp.layers import (
    EqualizedConv2d,
    EqualizedLinear,
    leaky_relu,
    normalize_second_moment,
)


def test_normalized_rows_have_unit_second_moment():
    x = normalize_second_moment(5 * torch.randn(4, 100))
    torch.testing.assert_close(x.square().mean(dim=1), torch.ones(4))


def test_leaky_relu_keeps_the_second_moment_of_positive_half():
    assert leaky_relu(torch.tensor(1.0)) == pytest.approx(math.sqrt(2))
    assert leaky_relu(torch.tensor(-1.0)) == pytest.approx(-0.2 * math.sqrt(2))


@pytest.mark.parametrize("lr_multiplier", [1.0, 0.1, 0.01])
def test_layers_start_at_unit_variance_whatever_their_learning_rate(lr_multiplier):
    layer = EqualizedLinear(512, 512, lr_multiplier=lr_multiplier)
    assert layer(torch.randn(256, 512)).std().item() == pytest.approx(1.0, abs=0.05)


def test_learning_rate_multiplier_scales_the_step():
    """A step of the stored weight moves the effective one by the multiplier."""
    layer = EqualizedLinear(4, 4, lr_multiplier=0.1)
    x = torch.randn(2, 4)
    before = layer(x)
    with torch.no_grad():
        layer.weight += 1.0
    expected = (0.1 / math.sqrt(4) * x.sum(dim=1, keepdim=True)).expand(-1, 4)
    torch.testing.assert_close(layer(x) - before, expected, atol=1e-5, rtol=0)


def test_convolution_starts_at_unit_variance():
    out = EqualizedConv2d(64, 64, 3)(torch.randn(4, 64, 16, 16))
    assert out[:, :, 1:-1, 1:-1].std().item() == pytest.approx(1.0, abs=0.1)


@pytest.mark.parametrize("kernel_size", [1, 3])
def test_down_halves_the_resolution(kernel_size):
    layer = EqualizedConv2d(2, 3, kernel_size, down=True)
    assert layer(torch.randn(1, 2, 8, 8)).shape == (1, 3, 4, 4)


@pytest.mark.parametrize("activation", ["linear", "leaky_relu"])
def test_a_clamped_layer_can_be_differentiated_twice(activation):
    """Its derivative is 0 where it is clamped."""
    layer = EqualizedConv2d(2, 3, 3, activation, clamp=0.7).double()
    x = (2 * torch.randn(1, 2, 5, 5, dtype=torch.float64)).requires_grad_()
    assert 0 < (layer(x, gain=0.5).abs() == 0.35).float().mean() < 1
    assert torch.autograd.gradcheck(lambda x: layer(x, gain=0.5), x)
    assert torch.autograd.gradgradcheck(lambda x: layer(x, gain=0.5).square(), x)


def test_gain_of_the_activation():
    """It is in the weights, and still what it was: leaky ReLU, times sqrt(2), times the caller's gain."""
    layer, plain = (EqualizedConv2d(2, 3, 3, activation) for activation in ("leaky_relu", "linear"))
    plain.load_state_dict(layer.state_dict())
    x = torch.randn(1, 2, 5, 5)
    torch.testing.assert_close(layer(x, gain=0.5), 0.5 * leaky_relu(plain(x)))


def test_clamp_scales_with_the_gain():
    layer = EqualizedConv2d(1, 1, 1, clamp=1.0)
    assert layer(torch.full((1, 1, 2, 2), 1e6), gain=0.5).abs().max() <= 0.5
