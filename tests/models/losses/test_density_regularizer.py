"""projects/threedgp/models/losses/density_regularizer.py"""

from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch

from projects.threedgp.models import DensityRegularizer, GeneratorInput, Sampling
from tests.tiny import Z_DIM, tiny_generator


def slope_generator(points):
    """A tiny generator whose raw density is 3 x + 4 y; keeps the points that it is asked for."""
    generator = tiny_generator()

    def query(asked):
        points.append(asked)
        return asked, (asked * torch.tensor([3.0, 4.0, 0.0])).sum(dim=-1, keepdim=True)

    generator.scene = lambda ws, sampling: SimpleNamespace(query=query)
    return generator


def inputs(n):
    return GeneratorInput(torch.randn(n, Z_DIM), torch.zeros(n).long())


def test_it_is_the_distance_of_densities_at_neighbours():
    points = []
    term = DensityRegularizer(weight=0.5, distance=0.1, num_points=2, half_side=2.0)
    draws = torch.zeros(1, 2, 6)
    draws[0, 0] = torch.tensor([0.5, 0.5, 0.5, 1.0, 0.0, 0.0])
    draws[0, 1] = torch.tensor([1.0, 0.0, 0.75, 0.0, -2.0, 7.0])
    loss = term(slope_generator(points), inputs(1), Sampling(), draws)
    expected = [[[0, 0, 0], [2, -2, 1], [0.1, 0, 0], [2, -2.2, 1.7]]]
    torch.testing.assert_close(points[0], torch.tensor(expected))
    torch.testing.assert_close(loss, torch.tensor([0.5 * (0.3 + 0.8) / 2]))


@pytest.mark.parametrize("half_side, reach", [(1.0, 1.0), (None, 0.5)])
def test_points_fill_a_cube(half_side, reach):
    points, n = [], 3
    term = DensityRegularizer(half_side=half_side, distance=0.0)
    generator = slope_generator(points)
    draws = term.draw(n, generator)
    assert draws.shape == (n, 1000, 6)
    assert term(generator, inputs(n), Sampling(), draws).shape == (n,)
    assert 0.99 * reach < points[0].abs().max() <= reach
    assert draws[..., 3:].std().item() == pytest.approx(1, abs=0.05)


def test_it_reaches_planes_and_mapping_alone():
    generator = tiny_generator(camera_generator=None)
    term = DensityRegularizer(num_points=50)
    term(generator, inputs(2), generator.training_sampling(0.0), term.draw(2, generator)).sum().backward()
    reached = {name.split(".")[0] for name, p in generator.named_parameters() if p.grad is not None}
    assert reached == {"mapping", "field"}


def test_its_scene_is_that_of_the_pose_which_the_mapping_is_told():
    generator = tiny_generator(mapping=dict(w_dim=8, pose_dim=2), camera_generator=None)
    codes, term = [], DensityRegularizer(num_points=2)

    def query(asked):
        return asked, asked[..., :1]

    generator.scene = lambda ws, sampling: codes.append(ws) or SimpleNamespace(query=query)
    told = replace(inputs(3), conditioning=torch.randn(3, 2))
    term(generator, told, Sampling(), term.draw(3, generator))
    expected = generator.style(told.z, told.label, conditioning=told.conditioning)
    assert torch.equal(codes[0], expected)
