"""projects/threedgp/rendering/marchers.py: options that other systems than 3DGP use."""

import pytest
import torch

from projects.threedgp.rendering import RayMarching
from projects.threedgp.rendering.volume_rendering import march

METRIC = dict(space="metric", use_inf_depth=False, density="relu")


def medium(density, options, features=0.0):
    """Ten samples of one density between 1 and 1.9."""
    t = torch.linspace(1, 1.9, 10).expand(1, 1, -1)
    return march(torch.full((1, 1, 10, 2), features), torch.full_like(t, density), t, options)


def test_the_last_sample_may_end_somewhere():
    out = medium(2.0, RayMarching(**METRIC, end=2.0))
    torch.testing.assert_close(out.transmittance[0, 0], torch.tensor(-2.0 * (2 - 1)).exp())


@pytest.mark.parametrize("density", [0.0, 0.7])
def test_what_is_left_is_given_to_the_background(density):
    out = medium(density, RayMarching(**METRIC, background=3.0), features=1.0)
    expected = 1 + 2 * out.transmittance[..., None].expand(1, 1, 2)
    torch.testing.assert_close(out.features, expected)
    assert out.depth < 2, "depth has no background"


def test_a_shifted_softplus_starts_thin():
    options = RayMarching(density="shifted_softplus")
    raw = torch.tensor([-3.0, 0.0, 1.0, 5.0])
    torch.testing.assert_close(options.activate(raw), (1 + (raw - 1).exp()).log())


def test_an_end_needs_distances():
    with pytest.raises(ValueError, match=r"end: got 2.0 with space='normalized', wanted space='metric'"):
        RayMarching(end=2.0)
