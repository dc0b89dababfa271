"""projects/threedgp/models/fields/triplane_decoder.py"""

import pytest
import torch

from projects.threedgp.layers import LowPrecision
from projects.threedgp.models.fields.triplane_decoder import TriPlaneDecoder, channels_at


@pytest.mark.parametrize("resolution, num_ws", [(4, 2), (8, 4), (32, 8), (512, 16)])
def test_a_code_for_each_convolution_and_one_for_the_last_output(resolution, num_ws):
    with torch.device("meta"):
        assert TriPlaneDecoder(resolution).num_ws == num_ws


def test_planes_have_the_resolution_asked_for():
    decoder = TriPlaneDecoder(16, feature_dim=4, w_dim=8, cbase=64, cmax=8)
    assert decoder(torch.randn(2, decoder.num_ws, 8)).shape == (2, 12, 16, 16)


def test_samples_do_not_depend_on_the_batch_they_are_decoded_in():
    """Large blocks are run sample by sample on a CPU."""
    decoder = TriPlaneDecoder(64, feature_dim=4, w_dim=8, cbase=256, cmax=8)
    for name, parameter in decoder.named_parameters():
        if name.endswith("noise_strength"):
            torch.nn.init.ones_(parameter)
    ws = torch.randn(2, decoder.num_ws, 8)
    alone = [decoder(one, "const") for one in ws.split(1)]
    torch.testing.assert_close(decoder(ws, "const"), torch.cat(alone), atol=1e-4, rtol=1e-4)
    first, second = (decoder(ws[:1].expand(2, -1, -1), "random") for _ in range(2))
    assert not torch.allclose(first[0], first[1], atol=1e-2)
    assert not torch.allclose(first, second, atol=1e-2)


@pytest.mark.parametrize("n", [1, 2])
def test_low_precision_blocks_agree_with_full_precision(n):
    """Their features are bfloat16; planes, weights and styles are not."""
    sizes = dict(resolution=64, feature_dim=4, w_dim=8, cbase=256, cmax=8)
    decoder = TriPlaneDecoder(**sizes)
    quick = TriPlaneDecoder(**sizes, precision=LowPrecision(2, on_cpu=True))
    quick.load_state_dict(decoder.state_dict())
    types = []
    for block in quick.blocks:
        block.register_forward_hook(lambda _block, _inputs, out: types.append((out[0].dtype, out[1].dtype)))
    ws = torch.randn(n, decoder.num_ws, 8, requires_grad=True)
    low, full = quick(ws, "const"), decoder(ws, "const")
    full_type, low_type = (torch.float32, torch.float32), (torch.bfloat16, torch.float32)
    assert types == 3 * [full_type] + (1 + n) * [low_type]
    assert (low - full).abs().max() > 0
    torch.testing.assert_close(low, full, rtol=0.05, atol=0.05 * full.abs().max().item())
    (gradient,) = torch.autograd.grad(low.sum(), ws)
    assert gradient.isfinite().all() and gradient.abs().max() > 0


@pytest.mark.parametrize("n", [1, 2])
def test_features_of_a_point_lie_side_by_side(n):
    decoder = TriPlaneDecoder(64, feature_dim=4, w_dim=8, cbase=256, cmax=8)
    planes = decoder(torch.randn(n, decoder.num_ws, 8))
    assert planes.is_contiguous(memory_format=torch.channels_last)


def test_every_code_matters():
    decoder = TriPlaneDecoder(16, feature_dim=4, w_dim=8, cbase=64, cmax=8)
    ws = torch.randn(1, decoder.num_ws, 8)
    planes = decoder(ws, "none")
    for layer in range(decoder.num_ws):
        other = ws.clone()
        other[:, layer] += 1
        assert not torch.allclose(decoder(other, "none"), planes), layer


@pytest.mark.parametrize("resolution, channels", [(4, 1024), (64, 1024), (128, 512), (512, 128)])
def test_widths_of_the_release(resolution, channels):
    assert channels_at(resolution, cbase=65536, cmax=1024) == channels


def test_impossible_values_are_named():
    with pytest.raises(ValueError, match="plane resolution: got 48, wanted a power of two"):
        TriPlaneDecoder(48)
    decoder = TriPlaneDecoder(4, feature_dim=2, w_dim=8, cbase=64, cmax=8)
    with pytest.raises(ValueError, match="noise_mode: got 'loud'"):
        decoder(torch.randn(1, 2, 8), "loud")
