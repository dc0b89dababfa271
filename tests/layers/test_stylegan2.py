"""projects/threedgp/layers/stylegan2.py"""

import pytest
import torch
import torch.nn.functional as F

from projects.threedgp.layers import SynthesisBlock, SynthesisLayer, modulated_conv2d
from projects.threedgp.layers.stylegan2 import OutputLayer


@pytest.mark.parametrize("up", [False, True])
def test_demodulation_keeps_unit_variance(up):
    """Whatever the styles: that is what demodulation is for (StyleGAN2, eq. 3)."""
    x = torch.randn(4, 64, 24, 24)
    weight, styles = 7 * torch.randn(32, 64, 3, 3), 5 * torch.rand(4, 64) + 0.1
    out = modulated_conv2d(x, weight, styles, up=up)[..., 2:-2, 2:-2]
    if not up:  # upsampling low-passes white noise
        torch.testing.assert_close(out.std(dim=(1, 2, 3)), torch.ones(4), atol=0.1, rtol=0)
    doubled = modulated_conv2d(x, weight, 100 * styles, up=up)[..., 2:-2, 2:-2]
    torch.testing.assert_close(doubled, out, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("demodulate", [False, True])
def test_scaling_inputs_is_scaling_each_samples_kernel(demodulate):
    x, weight, styles = torch.randn(3, 4, 6, 6), torch.randn(5, 4, 3, 3), torch.randn(3, 4)
    out = modulated_conv2d(x, weight, styles, demodulate=demodulate)
    for i in range(3):
        kernel = weight * styles[i][:, None, None]
        if demodulate:
            kernel = kernel * (kernel.square().sum(dim=(1, 2, 3), keepdim=True) + 1e-8).rsqrt()
        expected = F.conv2d(x[i : i + 1], kernel, padding=1)
        torch.testing.assert_close(out[i : i + 1], expected, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("up", [False, True])
@pytest.mark.parametrize("kernel_size", [1, 3])
@pytest.mark.parametrize("demodulate", [False, True])
def test_a_sample_alone_is_what_it_is_in_a_batch(demodulate, kernel_size, up):
    """Its weights are scaled then, if they are fewer than its features; gradients are the same as well."""
    x = torch.randn(2, 4, 12, 12, dtype=torch.float64, requires_grad=True)
    weight = torch.randn(5, 4, kernel_size, kernel_size, dtype=torch.float64, requires_grad=True)
    styles = torch.randn(2, 4, dtype=torch.float64, requires_grad=True)
    bias = torch.randn(5, dtype=torch.float64, requires_grad=True)
    options = dict(demodulate=demodulate, up=up, bias=bias, gain=0.7)
    assert weight.numel() < x[0].numel()
    whole = modulated_conv2d(x, weight, styles, **options)
    alone = torch.cat([modulated_conv2d(x[i : i + 1], weight, styles[i : i + 1], **options) for i in (0, 1)])
    torch.testing.assert_close(alone, whole)
    seen, leaves = torch.randn_like(whole), (x, weight, styles, bias)
    torch.testing.assert_close(*(torch.autograd.grad((out * seen).sum(), leaves) for out in (alone, whole)))


@pytest.mark.parametrize("up", [False, True])
def test_bias_and_gain(up):
    x, weight, styles = torch.randn(2, 4, 6, 6), torch.randn(5, 4, 3, 3), torch.randn(2, 4)
    bias = torch.randn(5)
    plain = modulated_conv2d(x, weight, styles, up=up)
    out = modulated_conv2d(x, weight, styles, up=up, bias=bias, gain=3.0)
    torch.testing.assert_close(out, 3 * plain + bias[:, None, None], atol=1e-5, rtol=1e-5)


def test_up_doubles_the_resolution():
    x = torch.randn(2, 4, 6, 6)
    out = modulated_conv2d(x, torch.randn(5, 4, 3, 3), torch.randn(2, 4), up=True)
    assert out.shape == (2, 5, 12, 12)


def test_noise():
    layer = SynthesisLayer(4, 4, 8, resolution=6)
    x, w = torch.randn(2, 4, 6, 6), torch.randn(2, 8)
    silent = layer(x, w, "none")
    torch.testing.assert_close(layer(x, w, "random"), silent)  # its strength starts at 0
    torch.nn.init.ones_(layer.noise_strength)
    assert torch.equal(layer(x, w, "const"), layer(x, w, "const"))
    assert not torch.equal(layer(x, w, "const"), silent)
    assert not torch.equal(layer(x, w, "random"), layer(x, w, "random"))


def test_noise_that_was_drawn_before_is_the_noise():
    layer = SynthesisLayer(4, 4, 8, resolution=6)
    torch.nn.init.ones_(layer.noise_strength)
    x, w = torch.randn(2, 4, 6, 6), torch.randn(2, 8)
    stored = layer.noise_const.expand(2, 1, 6, 6)
    assert torch.equal(layer(x, w, stored), layer(x, w, "const"))
    torch.manual_seed(0)
    drawn = layer.draw_noise(2)
    torch.manual_seed(0)
    assert torch.equal(layer(x, w, drawn), layer(x, w, "random"))


def test_random_noise_differs_between_samples():
    layer = SynthesisLayer(4, 4, 8, resolution=6)
    torch.nn.init.ones_(layer.noise_strength)
    x, w = torch.randn(1, 4, 6, 6), torch.randn(1, 8)
    first, second = layer(x.repeat(2, 1, 1, 1), w.repeat(2, 1), "random")
    assert not torch.equal(first, second)


@pytest.mark.parametrize("in_channels, codes", [(0, 1), (4, 2)])
def test_block_takes_a_code_per_convolution_and_borrows_one(in_channels, codes):
    block = SynthesisBlock(in_channels, 4, 3, 8, resolution=8)
    assert block.num_convs == codes
    x = torch.randn(2, 4, 4, 4) if in_channels else None
    image = torch.randn(2, 3, 4, 4) if in_channels else None
    features, out = block(x, image, torch.randn(2, codes + 1, 8), "const")
    assert features.shape == (2, 4, 8, 8) and out.shape == (2, 3, 8, 8)


@pytest.mark.parametrize("layer", [SynthesisLayer(4, 3, 8, resolution=6), OutputLayer(4, 3, 8)])
def test_styles_start_around_one(layer):
    """So that a fresh layer is a plain convolution on average."""
    torch.testing.assert_close(layer.affine(torch.zeros(2, 8)), torch.ones(2, 4))
