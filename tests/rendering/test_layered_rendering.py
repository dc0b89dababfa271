"""projects/threedgp/rendering/layered_rendering.py: a scene, and a background without end."""

from dataclasses import dataclass, replace

import pytest
import torch

from projects.threedgp.rendering import LayeredDraws, RayMarching, render_layers

MARCHING = RayMarching(
    near=0.5, far=1.5, num_coarse=9, num_fine=8, marcher="layered", space="metric", density="relu"
)
ORIGINS = torch.tensor([[[0.0, 0, 1], [0.0, 0, 1]]]).double()
# To the plane at distance 1: straight, and in a slant.
VECTORS = torch.tensor([[[0.0, 0, -1], [0.5, 0, -1]]]).double()
SCENE, BEHIND = 0.25, -0.75


@dataclass(frozen=True)
class Wall:
    """Opaque behind a plane of z, or nowhere; in front of a background of one density."""

    z: float = -torch.inf
    behind: float | None = 1.0

    def __call__(self, points):
        return torch.full_like(points[..., :2], SCENE), torch.where(points[..., 2:] < self.z, 1e4, -1.0)

    @property
    def background(self):
        return None if self.behind is None else self._outside

    def _outside(self, points):
        assert (points[..., 3] <= 0.5).all() and torch.allclose(points[..., :3].norm(dim=-1).double(), ONE)
        return torch.full_like(points[..., :2], BEHIND), torch.full_like(points[..., :1], self.behind)


ONE = torch.ones((), dtype=torch.float64)


def render(field, marching=MARCHING, draws=None):
    draws = LayeredDraws.deterministic(ORIGINS, marching, 4) if draws is None else draws
    return render_layers(field, ORIGINS, VECTORS, marching, draws, background_start=0.5)


def test_a_wall_hides_the_background_at_its_distance_along_the_ray():
    out = render(Wall(z=0.0))
    torch.testing.assert_close(out.features, torch.full_like(out.features, SCENE))
    # The plane is at 1 along the axis; the slanted ray is longer by the root of 1.25.
    lengths = VECTORS.norm(dim=-1, keepdim=True)
    torch.testing.assert_close(out.depth / lengths, torch.ones_like(out.depth), atol=0.13, rtol=0)
    assert (out.depth > lengths).all()


def test_behind_nothing_is_the_background_and_its_depth_is_that_of_the_far_plane():
    out = render(Wall())
    torch.testing.assert_close(out.features, torch.full_like(out.features, BEHIND))
    torch.testing.assert_close(out.depth, 1.5 * VECTORS.norm(dim=-1, keepdim=True))


def test_without_a_background_the_last_sample_is_opaque():
    out = render(Wall(behind=None))
    torch.testing.assert_close(out.features, torch.full_like(out.features, SCENE))
    torch.testing.assert_close(out.weights[..., -1], torch.ones_like(out.weights[..., -1]))


def test_pieces_and_weights_of_both_layers_make_the_features():
    draws = LayeredDraws.random(ORIGINS.float(), MARCHING, 1.0, 4)
    out = render(Wall(z=-0.4), draws=draws)
    assert out.weights.shape == (1, 2, 9 + 8 + 4) and out.pieces.shape == (1, 2, 21, 2)
    torch.testing.assert_close((out.weights[..., None] * out.pieces).sum(dim=-2), out.features)
    torch.testing.assert_close(out.weights.sum(dim=-1), torch.ones(1, 2).double())


def test_reproducible_samples_are_the_points_of_a_linspace():
    out = render(Wall(), replace(MARCHING, num_fine=0))
    depths = out.distances / VECTORS.norm(dim=-1, keepdim=True)
    torch.testing.assert_close(depths, torch.linspace(0.5, 1.5, 9).double().expand(1, 2, 9))


def test_the_background_begins_at_its_inverse_distance():
    inverse = []
    field = Wall()
    record = replace(field)
    object.__setattr__(record, "_outside", lambda p: inverse.append(p[..., 3]) or field._outside(p))
    render(record)
    torch.testing.assert_close(inverse[0][0, :4], torch.tensor([0.5, 1 / 3, 1 / 6, 0]).double())


@pytest.mark.parametrize("kind", ["random", "deterministic"])
def test_draws_of_some_rays(kind):
    draws = getattr(LayeredDraws, kind)(ORIGINS.float(), MARCHING, num_background=5)
    part = draws[1:]
    assert torch.equal(part.foreground.importance, draws.foreground.importance[:, 1:])
    assert part.background.stratified.shape == (1, 1, 5)


@pytest.mark.parametrize("count", [1, 2])
def test_few_samples_of_the_background(count):
    draws = LayeredDraws.random(ORIGINS.float(), MARCHING, 0.0, count)
    out = render(Wall(), draws=draws)
    torch.testing.assert_close(out.features, torch.full_like(out.features, BEHIND))


def test_in_front_of_a_background_the_last_sample_has_no_length():
    out = render(Mist(behind=1.0))
    last = out.distances.shape[-1] - 1
    assert not out.weights[..., last].any() and (out.weights[..., last - 1] > 0).all()


@pytest.mark.parametrize("behind", [1.0, None])
def test_what_is_cut_is_the_scene_alone(behind):
    """Half of the densities are cut, among them those of a thin mist; the end of rays stays opaque."""
    mist = Mist(behind=behind)
    out = render(mist, replace(MARCHING, cut_quantile=0.5))
    torch.testing.assert_close(out.weights.sum(dim=-1), torch.ones(1, 2).double())


class Mist(Wall):
    def __call__(self, points):
        return torch.full_like(points[..., :2], SCENE), 2 + points[..., 2:]
