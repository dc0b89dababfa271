"""projects/threedgp/models/upsamplers/pointwise_upsampler.py"""

import pytest
import torch

from projects.threedgp.models import PointwiseUpsampler, Sampling, Upsampler

QUIET = Sampling(noise_mode="none")


@pytest.fixture
def upsampler():
    return tiny_upsampler()


def tiny_upsampler(**changes):
    torch.manual_seed(0)
    sizes = dict(in_channels=6, w_dim=4, image_size=32, render_size=8, cbase=128, cmax=8)
    return PointwiseUpsampler(**sizes | changes)


def inputs(n=1, side=8):
    return torch.randn(n, 6, side, side), torch.randn(n, 6, 4)


def repeated(images, times):
    return images.repeat_interleave(times, dim=-1).repeat_interleave(times, dim=-2)


def test_two_codes_for_each_doubling_and_two_more_of_which_the_first_is_not_used(upsampler):
    features, ws = inputs()
    assert isinstance(upsampler, Upsampler) and upsampler.num_ws == 6
    images = upsampler(features, ws, 32, QUIET).rgb
    assert images.shape == (1, 3, 32, 32)
    for layer in range(6):
        other = ws.clone()
        other[:, layer] += 1
        same = torch.allclose(upsampler(features, other, 32, QUIET).rgb, images)
        assert same == (layer == 0), layer


def test_raw_images_are_the_first_features(upsampler):
    features, ws = inputs()
    assert torch.equal(upsampler(features, ws, 32, QUIET).raw, features[:, :3])


def test_they_may_be_a_learned_mixture():
    upsampler, (features, ws) = tiny_upsampler(learned_base=True), inputs()
    weight = upsampler.to_base.weight[..., 0, 0] / 6**0.5
    expected = torch.einsum("oi, nihw -> nohw", weight, features)
    torch.testing.assert_close(upsampler(features, ws, 32, QUIET).raw, expected)


def test_pixels_mix_by_the_filter_alone():
    """A doubling looks at the two nearest pixels in either direction."""
    upsampler = tiny_upsampler(image_size=16)
    features, ws = torch.randn(1, 6, 8, 8, requires_grad=True), torch.randn(1, 4, 4)
    upsampler(features, ws, 16, QUIET).rgb[0, 0, 6, 9].backward()
    seen = features.grad[0].abs().sum(dim=0) > 0
    assert seen.nonzero().tolist() == [[2, 4], [2, 5], [3, 4], [3, 5]]


def test_levels_of_growing(upsampler):
    features, ws = inputs()
    at = lambda level: upsampler(features, ws, 32, Sampling(noise_mode="none", level=level)).rgb  # noqa: E731
    full = upsampler(features, ws, 32, QUIET).rgb
    assert torch.equal(at(0), repeated(features[:, :3], 4))
    assert torch.equal(at(2), full)
    torch.testing.assert_close(at(1), repeated(at(1)[..., ::2, ::2], 2))
    torch.testing.assert_close(at(0.25), 0.75 * at(0) + 0.25 * at(1))
    torch.testing.assert_close(at(1.75), 0.25 * at(1) + 0.75 * full)


def test_layers_that_are_off_get_no_gradient(upsampler):
    features, ws = inputs()
    upsampler(features, ws, 32, Sampling(noise_mode="none", level=1.0)).rgb.sum().backward()
    without = {name.split(".")[1] for name, p in upsampler.named_parameters() if p.grad is None}
    assert {name for name in without if name == "1"} == {"1"}
    assert all(p.grad is not None for p in upsampler.blocks[0].parameters() if p.ndim)


def test_other_sizes_are_rendered_in_proportion_and_go_without_stored_noise(upsampler):
    assert upsampler.render_size(32) == 8 and upsampler.render_size(64) == 16
    assert upsampler.image_size(32, Sampling(level=0.0)) == 32
    for block in upsampler.blocks:
        block.conv0.noise_strength.data.fill_(1.0)
    features, ws = inputs(side=16)
    stored, quiet = (upsampler(features, ws, 64, Sampling(noise_mode=m)).rgb for m in ("const", "none"))
    assert torch.equal(stored, quiet)
    features, ws = inputs()
    stored, quiet = (upsampler(features, ws, 32, Sampling(noise_mode=m)).rgb for m in ("const", "none"))
    assert not torch.allclose(stored, quiet)


@pytest.mark.parametrize("render_size, image_size", [(32, 32), (12, 24), (64, 32)])
def test_impossible_sizes_are_named(render_size, image_size):
    with pytest.raises(
        ValueError, match=r"(render_size|upsampler\.image_size): got \d+, wanted a power of two"
    ):
        PointwiseUpsampler(render_size=render_size, image_size=image_size)
