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


def test_both_directions_can_be_differentiated_twice():
    """And their derivatives are right: each is the other's adjoint, whatever the stride."""
    for size, function in (
        (6, upsample2d),
        (7, lambda x: filter2d(x, padding=(2, 2))),
        (6, lambda x: filter2d(x, padding=(2, 1), gain=3.0)),
        (7, lambda x: filter2d(x, padding=(1, 1), stride=2)),
        (8, lambda x: filter2d(x, padding=(1, 1), stride=2)),
    ):
        x = torch.randn(1, 2, size, size, dtype=torch.float64, requires_grad=True)
        assert torch.autograd.gradcheck(function, x)
        assert torch.autograd.gradgradcheck(lambda x, f=function: f(x).square(), x)


def test_impulse_response_is_the_filter():
    x = torch.zeros(1, 1, 7, 7)
    x[..., 3, 3] = 64.0
    taps = torch.tensor([1.0, 3.0, 3.0, 1.0])
    torch.testing.assert_close(filter2d(x, padding=(0, 0))[0, 0], taps[:, None] * taps)
