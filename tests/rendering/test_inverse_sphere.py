"""projects/threedgp/rendering/inverse_sphere.py: points outside the unit sphere."""

import pytest
import torch
import torch.nn.functional as F

from projects.threedgp.rendering import inverse_sphere_points


def rays(n=5, radius=0.8, seed=0):
    torch.manual_seed(seed)
    origins = radius * F.normalize(torch.randn(1, n, 3).double(), dim=-1)
    return origins, F.normalize(torch.randn(1, n, 3).double(), dim=-1)


@pytest.mark.parametrize("radius", [0.3, 1.0])
def test_points_lie_on_the_ray_at_their_distance(radius):
    origins, directions = rays(radius=radius)
    inverse = torch.tensor([0.9, 0.5, 0.1]).double().expand(1, 5, 3)
    points = inverse_sphere_points(origins, directions, inverse)
    assert torch.equal(points[..., 3], inverse)
    places = points[..., :3] / inverse[..., None]
    torch.testing.assert_close(places.norm(dim=-1), 1 / inverse)
    ahead = places - origins[:, :, None]
    torch.testing.assert_close(F.normalize(ahead, dim=-1), directions[:, :, None].expand_as(ahead))


def test_at_infinity_they_have_the_direction_of_the_ray():
    origins, directions = rays()
    points = inverse_sphere_points(origins, directions, torch.zeros(1, 5, 1).double())
    torch.testing.assert_close(points[:, :, 0, :3], directions)


def test_a_ray_through_the_origin_and_one_that_misses_the_sphere_have_points():
    origins = torch.tensor([[[0.0, 0, 1], [0, 2, 2]]])
    directions = torch.tensor([[[0.0, 0, -1], [0, 0, -1]]])
    points = inverse_sphere_points(origins, directions, torch.full((1, 2, 2), 0.5))
    assert points.isfinite().all()
    torch.testing.assert_close(points[0, 0, :, :3], torch.tensor([0.0, 0, -1]).expand(2, 3))
