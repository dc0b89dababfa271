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
