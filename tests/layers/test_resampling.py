"""projects/threedgp/layers/resampling.py"""

import torch

from projects.threedgp.layers import filter2d, upsample2d


def test_filter_keeps_constants():
    x = torch.full((1, 2, 8, 8), 3.0)
    torch.testing.assert_close(filter2d(x, padding=(0, 0)), torch.full((1, 2, 5, 5), 3.0))


def test_upsampling_keeps_constants_inside():
    up = upsample2d(torch.ones(1, 1, 6, 6))
    assert up.shape == (1, 1, 12, 12)
    torch.testing.assert_close(up[..., 1:-1, 1:-1], torch.ones(1, 1, 10, 10))


def test_impulse_response_is_the_filter():
    x = torch.zeros(1, 1, 7, 7)
    x[..., 3, 3] = 64.0
    taps = torch.tensor([1.0, 3.0, 3.0, 1.0])
    torch.testing.assert_close(filter2d(x, padding=(0, 0))[0, 0], taps[:, None] * taps)
