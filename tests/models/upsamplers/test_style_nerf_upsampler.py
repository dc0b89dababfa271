"""projects/threedgp/models/upsamplers/style_nerf_upsampler.py: skip blocks of 1x1 layers that may grow."""

import pytest
import torch
import torch.nn.functional as F

from projects.threedgp.layers import resize, upsample2d
from projects.threedgp.models import Sampling, StyleNeRFUpsampler
from projects.threedgp.models.upsamplers.style_nerf_upsampler import UpsamplingAdapter, diagonal_means


def upsampler(**changes):
    torch.manual_seed(0)
    sizes = dict(image_size=32, render_size=8, start_size=4, cbase=128, cmax=8)
    return StyleNeRFUpsampler(in_channels=7, w_dim=6, **sizes | changes)


def features(side, n=2):
    torch.manual_seed(1)
    return torch.randn(n, 7, side, side)


def codes(part, n=2):
    torch.manual_seed(2)
    return torch.randn(n, part.num_ws, 6)


@pytest.mark.parametrize(
    "level, rendered, image",
    [(0, 4, 4), (0.5, 8, 8), (1.0, 8, 16), (1.5, 8, 16), (2.9, 8, 32), (None, 8, 32)],
)
def test_sizes_of_a_level(level, rendered, image):
    """Three doublings, of which the renderer makes the first."""
    part, sampling = upsampler(), Sampling(level=level)
    assert (part.render_size(32, sampling), part.image_size(32, sampling)) == (rendered, image)
    out = part(features(rendered), codes(part), 32, sampling)
    assert out.rgb.shape[-1] == image and torch.equal(out.raw, features(rendered)[:, :3])


def test_what_is_only_rendered_stays_as_it_is():
    part = upsampler()
    out = part(features(8), codes(part), 32, Sampling(level=0.7))
    assert torch.equal(out.rgb, features(8)[:, :3])


@pytest.mark.parametrize("level, share", [(1.0, 0.0), (1.25, 0.25), (2.75, 0.75)])
def test_a_new_size_is_mixed_with_the_one_before(level, share):
    part, side = upsampler(), 16 if level < 2 else 32
    new = part(features(8), codes(part), side).rgb
    before = features(8)[:, :3] if side == 16 else part(features(8), codes(part), side // 2).rgb
    mixed = part(features(8), codes(part), 32, Sampling(level=level)).rgb
    torch.testing.assert_close(mixed, share * new + (1 - share) * resize(before, side))


def test_nothing_is_mixed_when_all_has_grown():
    part = upsampler()
    whole = part(features(8), codes(part), 32, Sampling(level=3.0)).rgb
    assert torch.equal(whole, part(features(8), codes(part), 32).rgb)


def test_a_smaller_image_is_that_of_its_level():
    """A level beyond the size that is asked for changes nothing."""
    part = upsampler()
    small = part(features(8), codes(part), 16, Sampling(level=2.5)).rgb
    assert torch.equal(small, part(features(8), codes(part), 16).rgb)


def test_images_are_added_up():
    part, x = upsampler(image_size=16), features(8)
    block, ws = part.blocks[0], codes(part)
    inner = block.conv1(block.conv0(x[:, 3:], ws[:, 0], track=False), ws[:, 1], track=False)
    expected = upsample2d(x[:, :3]) + block.to_image(inner, ws[:, 2])
    torch.testing.assert_close(part(x, ws, 16).rgb, expected)


def test_layers_and_codes():
    """Two codes a block and one for the last output, which borrows what would be the next block's first."""
    part = upsampler()
    assert len(part.blocks) == 2 and part.num_ws == 5
    assert [block.conv0.weight.shape[0] for block in part.blocks] == [8, 4]


def test_without_upsampling_each_pixel_stays_alone():
    part, x = upsampler(), features(8)
    whole = part.without_upsampling(x, codes(part), 32)
    assert whole.shape == (2, 3, 8, 8)
    torch.testing.assert_close(
        part.without_upsampling(x[..., 3:5, 6:7], codes(part), 32), whole[..., 3:5, 6:7]
    )


def test_without_upsampling_only_what_is_on_counts_and_nothing_is_mixed():
    part, x, ws = upsampler(), features(8), codes(upsampler())
    half = part.without_upsampling(x, ws, 32, Sampling(level=1.5))
    assert torch.equal(half, part.without_upsampling(x, ws, 16))
    assert (half != part.without_upsampling(x, ws, 32)).any()


def test_layers_divide_by_the_running_magnitude_of_their_input():
    part, x, ws = upsampler(), features(8), codes(upsampler())
    layer = part.blocks[0].conv1
    y = torch.randn(2, 8, 4, 4)
    with torch.no_grad():
        layer.magnitude.fill_(4.0)
    torch.testing.assert_close(
        layer(2 * y, ws[:, 0], track=False), type(layer).forward(_unit(layer), y, ws[:, 0], False)
    )
    part(x, ws, 32)
    assert part.blocks[1].conv0.magnitude == 1


def _unit(layer):
    layer.magnitude.fill_(1.0)
    return layer


def test_magnitudes_move_in_training():
    part, x = upsampler(magnitude_decay=0.75), features(8)
    part(x, codes(part), 32, Sampling(kimg=0.0))
    moved = part.blocks[0].conv0.magnitude
    torch.testing.assert_close(moved, 0.75 + 0.25 * x[:, 3:].square().mean())
    part.without_upsampling(x, codes(part), 32, Sampling(kimg=0.0))
    torch.testing.assert_close(moved, 0.75 * 0.75 + 0.4375 * x[:, 3:].square().mean())


def test_diagonal_means():
    """The pixel in the middle: left 4, upper 2, right 6, lower 8; outside of the image are zeros."""
    x = torch.arange(1.0, 10.0).reshape(1, 1, 3, 3)
    doubled = diagonal_means(x)
    assert doubled[0, 0, 2:4, 2:4].tolist() == [[3.0, 4.0], [6.0, 7.0]]
    assert doubled[0, 0, :2, :2].tolist() == [[0.0, 1.0], [2.0, 3.0]]


def test_the_adapter_corrects_nearest_neighbours():
    adapter, x = UpsamplingAdapter(4), torch.randn(1, 4, 3, 3)
    nearest = F.interpolate(x, scale_factor=2)
    both = torch.cat([nearest, diagonal_means(x)], dim=1)
    torch.testing.assert_close(adapter(x), nearest + adapter.layers(both))
    assert [tuple(layer.weight.shape[:2]) for layer in adapter.layers] == [(1, 8), (4, 1)]


@pytest.mark.parametrize(
    "changes, message",
    [
        (dict(start_size=16), "got 16, 8, 32, wanted start_size <= render_size < image_size"),
        (dict(image_size=8), "got 4, 8, 8, wanted start_size"),
        (dict(render_size=12, start_size=None), "upsampler.render_size: got 12"),
    ],
)
def test_impossible_sizes_are_named(changes, message):
    with pytest.raises(ValueError, match=message):
        upsampler(**changes)


@pytest.mark.parametrize("resolution", [2, 24, 64])
def test_impossible_resolutions_are_named(resolution):
    with pytest.raises(ValueError, match=f"resolution: got {resolution}, wanted a power of two from 4 to 32"):
        upsampler().image_size(resolution, Sampling())
