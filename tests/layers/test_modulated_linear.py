"""projects/threedgp/layers/modulated_linear.py"""

import math

import torch

from projects.threedgp.layers import ModulatedLinear, leaky_relu, modulated_conv2d


def as_convolution(layer, x, styles, demodulate):
    """The same by a 1x1 convolution, with points as the pixels of a column."""
    pixels = x.mT[..., None]
    out = modulated_conv2d(pixels, layer.weight[..., None, None], styles, demodulate)
    return out[..., 0].mT + layer.bias


def test_is_the_modulated_1x1_convolution_on_points():
    layer, x, w = ModulatedLinear(6, 5, w_dim=4), torch.randn(3, 7, 6), torch.randn(3, 4)
    layer.bias.data.normal_()
    expected = leaky_relu(as_convolution(layer, x, layer.affine(w), demodulate=True))
    torch.testing.assert_close(layer(x, w), expected)


def test_an_output_layer_divides_its_style_instead():
    layer = ModulatedLinear(6, 5, w_dim=4, activation="linear", demodulate=False)
    x, w = torch.randn(3, 7, 6), torch.randn(3, 4)
    expected = as_convolution(layer, x, layer.affine(w) / math.sqrt(6), demodulate=False)
    torch.testing.assert_close(layer(x, w), expected)


def test_each_sample_has_its_own_style():
    layer, x, w = ModulatedLinear(6, 5, w_dim=4), torch.randn(1, 7, 6), torch.randn(2, 4)
    both = layer(x.expand(2, -1, -1), w)
    assert not torch.allclose(both[0], both[1])
    torch.testing.assert_close(both[1:], layer(x, w[1:]))
