"""projects/threedgp/rendering/volume_rendering.py against closed forms."""

import math
from dataclasses import replace

import pytest
import torch
from torch.autograd import gradcheck

from projects.threedgp.rendering import RayDraws, RayMarching, pixel_rays, render_rays
from projects.threedgp.rendering.marchers import ClassicalMarcher, MipMarcher, alpha_weights
from projects.threedgp.rendering.volume_rendering import importance_positions, march
from tests.tiny import frontal_camera, solid

FINE_GRID = RayMarching(near=0.75, far=1.25, num_coarse=64, num_fine=64, use_inf_depth=False)


def render(field, options=FINE_GRID, resolution=9, camera=None):
    origins, directions = pixel_rays(camera or frontal_camera(), resolution)
    draws = RayDraws.deterministic(origins, options)
    return render_rays(field, origins, directions, options, draws), origins, directions


def test_constant_medium_follows_beer_lambert():
    positions = torch.linspace(0.75, 1.25, 50).expand(1, 1, -1)
    sigma = torch.full_like(positions, 3.0)
    out = march(torch.ones(1, 1, 50, 3), sigma, positions, FINE_GRID)
    length = 0.5 + 1e-3  # the last sample is 1e-3 thick
    expected = torch.exp(-torch.nn.functional.softplus(torch.tensor(3.0)) * length)
    torch.testing.assert_close(out.transmittance[0, 0], expected)
    torch.testing.assert_close(out.weights.sum(), 1 - expected)
    torch.testing.assert_close(out.features[0, 0], (1 - expected).expand(3))


def test_mean_depth_of_a_constant_medium():
    """With density k to infinity, light travels 1 / k into the medium on average."""
    k = 40.0
    t = torch.linspace(0.75, 1.25, 513).expand(1, 1, -1)
    out = march(torch.zeros(1, 1, 513, 3), torch.full_like(t, k), t, RayMarching())
    torch.testing.assert_close(out.depth[0, 0, 0], torch.tensor(0.75 + 1 / k), atol=1e-3, rtol=0)


def test_first_pass_alone_is_marched_in_s_but_returns_a_distance():
    """There the density is per unit of s, so that light travels (far - near) / k."""
    k = 40.0

    def medium(points):
        return torch.ones_like(points), torch.full_like(points[..., :1], k)

    out, *_ = render(medium, RayMarching(num_coarse=512, num_fine=0))
    expected = torch.full_like(out.depth, 0.75 + 0.5 / k)
    torch.testing.assert_close(out.depth, expected, atol=1e-3, rtol=0)


def test_plane_of_known_depth():
    """A wall at z = 0.1 is met at (1 - 0.1) / cos of the angle to the axis."""
    out, origins, directions = render(solid(lambda points: points[..., 2] < 0.1))
    expected = (0.1 - origins[..., 2]) / directions[..., 2]
    step = 0.5 / 63
    assert ((out.depth[..., 0] - expected).abs() < step).all()
    torch.testing.assert_close(out.weights.sum(-1), torch.ones_like(expected))


def test_sphere_has_its_silhouette_and_depth():
    radius = 0.15
    out, origins, directions = render(solid(lambda p: p.norm(dim=-1) < radius), resolution=33)
    along = -(origins * directions).sum(-1)
    miss = (origins + along[..., None] * directions).norm(dim=-1)
    hit = miss < radius
    chord = 2 * (radius**2 - miss**2).clamp(min=0).sqrt()
    clear = ~hit | (chord > 2 * 0.5 / 63)  # rays that pass between two samples say nothing
    seen = out.weights.sum(-1)
    torch.testing.assert_close(seen[clear], hit[clear].float(), atol=1e-3, rtol=0)
    expected = along - chord / 2
    assert ((out.depth[..., 0] - expected).abs() < 0.5 / 63)[hit & clear].all()
    assert hit.any() and (~hit).any()


def test_colour_is_that_of_the_surface():
    colour = torch.tensor([0.2, -0.4, 0.9])
    field = solid(lambda p: p[..., 2] < 0, lambda p: colour.expand_as(p))
    out, *_ = render(field)
    torch.testing.assert_close(out.features, colour.expand_as(out.features))


@pytest.mark.parametrize("marcher", ["classical", "mip"])
def test_samples_stay_in_their_strata(marcher):
    s = RayMarching(marcher=marcher).place(torch.rand(2, 5, 8))
    assert (s.diff(dim=-1) >= 0).all() and s.min() >= 0
    assert s.max() <= (1 if marcher == "classical" else 8 / 7)
    step = torch.linspace(0, 1, 8)
    lower = step if marcher == "mip" else torch.cat([step[:1], (step[1:] + step[:-1]) / 2])
    assert (s >= lower - 1e-6).all()


def test_equal_weights_give_evenly_spread_samples():
    s = torch.linspace(0, 1, 9).expand(1, 1, -1)
    u = torch.tensor([0.0, 0.25, 0.5, 0.999]).expand(1, 1, -1)
    fine = importance_positions(s, torch.ones_like(s)[..., 1:-1], u)
    first, last = 1 / 16, 15 / 16  # midpoints of the outermost samples
    torch.testing.assert_close(fine, first + u * (last - first))


def test_fine_samples_go_where_the_weight_is():
    s = torch.linspace(0, 1, 9).expand(1, 1, -1)
    weights = torch.zeros_like(s)
    weights[..., 4] = 1.0
    fine = importance_positions(s, ClassicalMarcher().bins(weights), torch.rand(1, 1, 1000))
    inside = (fine > 7 / 16) & (fine < 9 / 16)
    assert inside.float().mean() > 0.99


def test_weights_and_transmittance_sum_to_one():
    weights, transmittance = alpha_weights(torch.rand(2, 3, 7), torch.rand(2, 3, 7))
    torch.testing.assert_close(weights.sum(-1) + transmittance, torch.ones(2, 3))


def test_last_back_gives_the_rest_to_the_last_sample():
    s = torch.linspace(0.75, 1.25, 8).expand(1, 1, -1)
    rgb, sigma = torch.rand(1, 1, 8, 3), torch.randn(1, 1, 8)
    plain = march(rgb, sigma, s, FINE_GRID)
    full = march(rgb, sigma, s, replace(FINE_GRID, last_back=True))
    torch.testing.assert_close(full.weights.sum(-1), torch.ones(1, 1))
    torch.testing.assert_close(full.weights[..., :-1], plain.weights[..., :-1])


def test_white_back_makes_emptiness_white():
    options = replace(FINE_GRID, marcher="mip", white_back=True)
    s = torch.linspace(0.75, 1.25, 8).expand(1, 1, -1)
    out = march(torch.zeros(1, 1, 8, 3), torch.full((1, 1, 8), -1e4), s, options)
    torch.testing.assert_close(out.features, torch.ones(1, 1, 3))


def test_cut_quantile_empties_that_part_of_the_samples():
    sigma = torch.randn(4, 5, 10)
    s = torch.linspace(0.75, 1.25, 10).expand(4, 5, -1)
    out = march(torch.zeros(4, 5, 10, 3), sigma, s, replace(FINE_GRID, cut_quantile=0.3))
    assert (out.weights == 0).float().mean() == pytest.approx(0.3, abs=0.01)
    assert torch.equal(out.weights == 0, sigma < torch.quantile(sigma, 0.3))


def textured(points):
    return points.sin(), (9 * points).sin().sum(-1, keepdim=True) * 4


@pytest.mark.parametrize("marcher", ["classical", "mip"])
def test_rays_do_not_know_of_each_other(marcher):
    options = RayMarching(num_coarse=6, num_fine=6, marcher=marcher)
    origins, directions = pixel_rays(frontal_camera(2), 5)
    draws = RayDraws.random(origins, options, noise=0.5)
    whole = render_rays(textured, origins, directions, options, draws)
    parts = [
        render_rays(textured, origins[:, part], directions[:, part], options, draws[part])
        for part in (slice(0, 7), slice(7, 25))
    ]
    for name in ("features", "depth", "weights", "transmittance", "distances"):
        joined = torch.cat([getattr(part, name) for part in parts], dim=1)
        torch.testing.assert_close(joined, getattr(whole, name))


def test_deterministic_draws_are_reproducible():
    first, second = (render(textured)[0] for _ in range(2))
    assert torch.equal(first.features, second.features) and torch.equal(first.depth, second.depth)


def test_random_draws_follow_the_seed():
    like, options = torch.zeros(2, 4, 3), RayMarching()
    torch.manual_seed(1)
    first, other = (RayDraws.random(like, options, 1.0) for _ in range(2))
    torch.manual_seed(1)
    again = RayDraws.random(like, options, 1.0)
    for name in ("stratified", "importance", "coarse_noise", "fine_noise"):
        assert torch.equal(getattr(first, name), getattr(again, name))
        assert not torch.equal(getattr(first, name), getattr(other, name))


@pytest.mark.parametrize("marcher", ["classical", "mip"])
@pytest.mark.parametrize("use_inf_depth", [True, False])
def test_gradient_of_the_march(marcher, use_inf_depth):
    options = RayMarching(marcher=marcher, use_inf_depth=use_inf_depth)
    positions = torch.linspace(0.1, 0.9, 5).double().expand(1, 2, -1)

    def composite(rgb, sigma):
        out = march(rgb, sigma, positions, options)
        return out.features, out.depth

    rgb = torch.rand(1, 2, 5, 3, dtype=torch.float64, requires_grad=True)
    sigma = torch.randn(1, 2, 5, dtype=torch.float64, requires_grad=True)
    assert gradcheck(composite, (rgb, sigma))


@pytest.mark.parametrize("num_fine", [0, 4])
def test_gradient_of_the_renderer(num_fine):
    """Exact for colours; for densities too, if no sample moves with them."""
    options = RayMarching(num_coarse=4, num_fine=num_fine)
    origins, directions = (x.double() for x in pixel_rays(frontal_camera(), 2))
    draws = RayDraws(*(torch.rand(1, 4, k, dtype=torch.float64) for k in (4, num_fine)))
    density = torch.randn(3, 1, dtype=torch.float64, requires_grad=num_fine == 0)

    def image(colour, density):
        def field(points):
            return (points @ colour).tanh(), points @ density

        out = render_rays(field, origins, directions, options, draws)
        return out.features, out.depth

    colour = torch.randn(3, 3, dtype=torch.float64, requires_grad=True)
    assert gradcheck(image, (colour, density))


def test_fine_samples_have_no_gradient():
    s = torch.linspace(0, 1, 6).expand(1, 1, -1).clone().requires_grad_(True)
    weights = torch.rand(1, 1, 6, requires_grad=True)
    for marcher in (ClassicalMarcher(), MipMarcher()):
        fine = importance_positions(s, marcher.bins(weights), torch.rand(1, 1, 4))
        assert not fine.requires_grad


@pytest.mark.parametrize("marcher", ["classical", "mip"])
@pytest.mark.parametrize("num_fine", [0, 6])
def test_channels_are_rendered_alone(marcher, num_fine):
    """Seven features are what three and four of them are, and what colours would be."""
    options = RayMarching(num_coarse=6, num_fine=num_fine, marcher=marcher, use_inf_depth=False)
    origins, directions = pixel_rays(frontal_camera(2), 5)
    draws = RayDraws.random(origins, options)
    directions_in_space = torch.randn(3, 7)

    def image(channels):
        def field(points):
            return (points @ directions_in_space[:, channels]).sin(), textured(points)[1]

        return render_rays(field, origins, directions, options, draws).features

    whole = image(slice(None))
    assert whole.shape == (2, 25, 7)
    torch.testing.assert_close(whole, torch.cat([image(slice(0, 3)), image(slice(3, 7))], dim=-1))


def test_density_may_be_a_relu():
    """Negative raw densities are empty then, and positive ones what they say."""
    s = torch.linspace(0.75, 1.25, 5).expand(1, 1, -1)
    options = RayMarching(density="relu")
    empty = march(torch.ones(1, 1, 5, 3), torch.full((1, 1, 5), -0.1), s, options)
    assert (empty.weights == 0).all()
    medium = march(torch.ones(1, 1, 5, 3), torch.full((1, 1, 5), 3.0), s, options)
    torch.testing.assert_close(medium.weights[0, 0, 0].item(), 1 - math.exp(-3 * 0.125))


def test_mip_averages_neighbours_over_the_interval_between_them():
    pieces = MipMarcher(use_inf_depth=False, density_bias=-1.0).intervals(
        torch.tensor([[[[0.0], [1.0], [4.0]]]]),
        torch.tensor([[[2.0, 4.0, 0.0]]]),
        torch.tensor([[[0, 0.2, 1]]]),
    )
    torch.testing.assert_close(pieces.features, torch.tensor([[[[0.5], [2.5]]]]))
    torch.testing.assert_close(pieces.raw, torch.tensor([[[2.0, 1.0]]]))
    torch.testing.assert_close(pieces.positions, torch.tensor([[[0.1, 0.6]]]))
    torch.testing.assert_close(pieces.lengths, torch.tensor([[[0.2, 0.8]]]))


@pytest.mark.parametrize(
    "changes, message",
    [
        (dict(marcher="fast"), "marcher: got 'fast', wanted one of"),
        (
            dict(density="exp"),
            r"density: got 'exp', wanted one of \('softplus', 'relu', 'shifted_softplus'\)",
        ),
        (dict(near=1.0, far=1.0), "near, far: got 1.0, 1.0"),
        (dict(near=0.0), "near, far: got 0.0"),
        (dict(num_coarse=2), "num_coarse: got 2"),
        (dict(cut_quantile=1.0), "cut_quantile: got 1.0"),
    ],
)
def test_impossible_options_are_named(changes, message):
    with pytest.raises(ValueError, match=message):
        RayMarching(**changes)


@pytest.mark.parametrize("marcher", ["classical", "mip"])
def test_three_coarse_samples_are_enough(marcher):
    options = RayMarching(marcher=marcher, num_coarse=3, num_fine=2)
    out, *_ = render(solid(lambda points: points[..., 2] < 0.1), options, resolution=2)
    assert out.depth.isfinite().all()


def _slab(points):
    """Opaque from z = 0 downwards, empty above."""
    sigma = torch.where(points[..., 2:] < 0, 1e4, -1e4)
    return torch.ones_like(points), sigma


def _marched(**options):
    """Two rays from z = 1: down to the slab at distance 1, and up into nothing."""
    origins = torch.tensor([[[0.0, 0.0, 1.0], [0.0, 0.0, 1.0]]])
    directions = torch.tensor([[[0.0, 0.0, -1.0], [0.0, 0.0, 1.0]]])
    marching = RayMarching(near=0.5, far=1.5, num_coarse=65, use_inf_depth=False, **options)
    return render_rays(_slab, origins, directions, marching, RayDraws.deterministic(origins, marching))


@pytest.mark.parametrize("marcher", ["classical", "mip"])
@pytest.mark.parametrize("num_fine", [0, 32])
@pytest.mark.parametrize("space", ["normalized", "metric"])
def test_mean_depth_is_within_the_samples_where_a_ray_meets_nothing(marcher, num_fine, space):
    sums = _marched(marcher=marcher, num_fine=num_fine, space=space, depth="sum").depth[0, :, 0]
    means = _marched(marcher=marcher, num_fine=num_fine, space=space, depth="mean")
    assert means.depth[0, 0, 0] == pytest.approx(1.0, abs=0.02)
    assert sums[1] == 0 and means.depth[0, 1, 0] == means.distances.max()


@pytest.mark.parametrize("space, length", [("normalized", 1.0), ("metric", 3.0)])
def test_space_says_where_the_first_pass_is_marched(space, length):
    """Through a fog of one density, whose length is 1 in s and 3 in t."""

    def fog(points):
        return points, torch.full_like(points[..., :1], 0.1)

    marching = RayMarching(
        near=1, far=4, num_coarse=33, num_fine=0, use_inf_depth=False, space=space, jitter="none"
    )
    origins = torch.zeros(1, 1, 3)
    draws = RayDraws.deterministic(origins, marching)
    out = render_rays(fog, origins, torch.tensor([[[1.0, 0.0, 0.0]]]), marching, draws)
    sigma = math.log(1 + math.exp(0.1))
    assert out.transmittance.item() == pytest.approx(math.exp(-sigma * length), rel=2e-3)


@pytest.mark.parametrize(
    "options, message",
    [
        (dict(jitter="some"), "jitter: got 'some'"),
        (dict(space="cubic"), "space: got 'cubic'"),
        (dict(spacing="log"), "spacing: got 'log'"),
        (dict(depth="median"), "depth: got 'median'"),
        (dict(spacing="disparity"), "space: got 'normalized' with spacing or ray_box, wanted 'metric'"),
        (dict(ray_box=1.0), "space: got 'normalized' with spacing or ray_box, wanted 'metric'"),
    ],
)
def test_unknown_rules_are_named(options, message):
    with pytest.raises(ValueError, match=message):
        RayMarching(**options)


def test_the_mean_depth_of_a_ray_through_nothing_has_a_finite_gradient():
    options = RayMarching(depth="mean", space="metric")
    weights = torch.tensor([[[0.0, 0.0], [0.25, 0.5]]], requires_grad=True)
    t = torch.tensor([[[0.8, 1.0], [0.8, 1.0]]])
    depth = options.expected((weights * t).sum(dim=-1, keepdim=True), weights, t)
    torch.testing.assert_close(depth[0, :, 0], torch.tensor([1.0, (0.2 + 0.5) / 0.75]))
    depth.sum().backward()
    assert weights.grad.isfinite().all() and (weights.grad[0, 0] == 0).all()
