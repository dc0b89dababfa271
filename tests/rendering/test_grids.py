"""projects/threedgp/rendering/grids.py"""

import pytest
import torch
import torch.nn.functional as F

from projects.threedgp.rendering import sample_grid


def test_a_volume_is_looked_up_as_grid_sample_does():
    volume, points = torch.randn(2, 5, 3, 4, 6), 1.5 * (2 * torch.rand(2, 50, 3) - 1)
    expected = F.grid_sample(
        volume, points[:, None, None], mode="bilinear", padding_mode="border", align_corners=True
    )
    torch.testing.assert_close(sample_grid(volume, points), expected[:, :, 0, 0].mT, atol=1e-5, rtol=0)


def test_a_plane_is_looked_up_as_grid_sample_does():
    plane, points = torch.randn(2, 5, 4, 6), 1.5 * (2 * torch.rand(2, 50, 2) - 1)
    expected = F.grid_sample(
        plane, points[:, None], mode="bilinear", padding_mode="border", align_corners=True
    )
    torch.testing.assert_close(sample_grid(plane, points), expected[:, :, 0].mT, atol=1e-5, rtol=0)


def test_x_runs_along_the_last_axis():
    volume = torch.arange(2.0).expand(1, 1, 2, 2, 2)
    points = torch.tensor([[[-1.0, 0.3, 0.9], [0.0, -1.0, 1.0], [1.0, 0.0, 0.0]]])
    assert sample_grid(volume, points)[0, :, 0].tolist() == [0.0, 0.5, 1.0]


def test_the_border_goes_on():
    volume = torch.rand(1, 2, 4, 4, 4)
    inside, outside = torch.tensor([[[1.0, 0.2, -1.0]]]), torch.tensor([[[7.0, 0.2, -1.01]]])
    torch.testing.assert_close(sample_grid(volume, outside), sample_grid(volume, inside))


@pytest.mark.parametrize("sizes", [(3, 4), (3, 4, 2)])
def test_first_and_second_derivatives(sizes):
    random = torch.Generator().manual_seed(0)
    grid = torch.randn(1, 2, *sizes, dtype=torch.float64, generator=random, requires_grad=True)
    points = 2.4 * torch.rand(1, 5, len(sizes), dtype=torch.float64, generator=random) - 1.2
    points.requires_grad_()
    assert torch.autograd.gradcheck(sample_grid, (grid, points))
    assert torch.autograd.gradgradcheck(sample_grid, (grid, points))
