"""projects/threedgp/models/upsamplers/super_resolution.py"""

import pytest
import torch

from projects.threedgp.models import Sampling, SuperResolution

# EG3D's three networks, as narrow as may be: their arguments and the side of their images.
NETWORKS = {
    "2X": (dict(input_size=8), 16),
    "4X": (dict(input_size=16), 32),
    "8XDC": (dict(input_size=8, up=(True, True)), 32),
}


def network(**arguments):
    return SuperResolution(**dict(in_channels=5, w_dim=6, channels=(4, 3), input_size=8) | arguments)


def inputs(side, n=2):
    return torch.randn(n, 5, side, side), torch.randn(n, 1, 6)


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("rendered", [6, 8, 20])
def test_images_have_their_size_whatever_was_rendered(name, rendered):
    arguments, side = NETWORKS[name]
    out = network(**arguments)(*inputs(rendered), side)
    assert out.rgb.shape == (2, 3, side, side) and out.raw.shape == (2, 3, rendered, rendered)


def test_without_weights_only_the_raw_image_is_left():
    """It is resized, and upsampled by the filter."""
    net = network()
    for block in net.blocks:
        torch.nn.init.zeros_(block.to_image.weight)
    features, ws = inputs(4)
    features[:, :3] = torch.tensor([0.1, -0.4, 0.7])[:, None, None]
    rgb = net(features, ws, 16).rgb
    torch.testing.assert_close(rgb[..., 3:-3, 3:-3], features[:, :3, :1, :1].expand(2, 3, 10, 10))


@pytest.mark.parametrize("pure_raw", [False, True])
@pytest.mark.parametrize("rendered, up", [(8, False), (6, False), (8, True)])
def test_raw_images_are_changed_only_where_nothing_is_resized(pure_raw, rendered, up):
    net = network(up=(up, True), pure_raw=pure_raw)
    features, ws = inputs(rendered)
    out = net(features, ws, 32 if up else 16)
    changed = rendered == 8 and not up and not pure_raw
    assert torch.equal(out.raw, features[:, :3]) != changed


@pytest.mark.parametrize("shrink, side", [(True, 16), (False, 24)])
def test_larger_features_may_stay_as_they_are(shrink, side):
    assert network(shrink=shrink)(*inputs(12), 16).rgb.shape[-1] == side


def test_the_last_code_counts_for_all_layers():
    net, (features, ws) = network(), inputs(6)
    others = torch.cat([torch.randn(2, 3, 6), ws], dim=1)
    torch.testing.assert_close(net(features, others, 16).rgb, net(features, ws, 16).rgb)
    assert not torch.allclose(net(features, ws + 1, 16).rgb, net(features, ws, 16).rgb)


def test_rendering_grows_in_training_and_has_grown_elsewhere():
    net = network(render_size=dict(start=4, end=8, over_kimg=100))
    sizes = [net.render_size(16, Sampling(kimg=kimg)) for kimg in (0.0, 30.0, 50.0, 1e6)]
    assert sizes == [4, 5, 6, 8]
    assert net.render_size(16, Sampling()) == 8 and net.schedules(50.0) == {"render_size": 6.0}


@pytest.mark.parametrize("mode", ["none", "const", "random"])
def test_noise_is_its_own(mode):
    net, (features, ws) = network(noise_mode=mode), inputs(8)
    for block in net.blocks:
        block.conv0.noise_strength.data.fill_(1.0)
    quiet = network()
    quiet.load_state_dict(net.state_dict())
    first, second = (net(features, ws, 16, Sampling(noise_mode="random")).rgb for _ in range(2))
    assert torch.equal(first, second) == (mode != "random")
    assert torch.equal(first, quiet(features, ws, 16).rgb) == (mode == "none")


@pytest.mark.parametrize(
    "arguments, message",
    [
        (dict(noise_mode="loud"), "noise_mode: got 'loud'"),
        (dict(up=(True,)), "channels, up: got 2 and 1 values"),
    ],
)
def test_impossible_values_are_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        network(**arguments)
