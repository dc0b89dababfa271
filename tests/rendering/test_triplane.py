"""projects/threedgp/rendering/triplane.py"""

import pytest
import torch
import torch.nn.functional as F

from projects.threedgp.rendering import mean_of_planes, sample_planes


def ramps(resolution=5):
    """One plane with two features: the position along its width, and along its height."""
    line = torch.linspace(-1, 1, resolution)
    height, width = torch.meshgrid(line, line, indexing="ij")
    return torch.stack([width, height]).repeat(3, 1, 1)[None]


@pytest.mark.parametrize("cube_scale", [0.35, 0.5])
def test_planes_are_xy_xz_yz_with_the_first_along_the_width(cube_scale):
    points = cube_scale * (2 * torch.rand(1, 20, 3) - 1)
    features = sample_planes(ramps(), points, cube_scale)
    for plane, axes in enumerate([(0, 1), (0, 2), (1, 2)]):
        expected = points[..., axes] / cube_scale
        torch.testing.assert_close(features[:, plane], expected, atol=1e-5, rtol=0)


@pytest.mark.parametrize("axes", [("xy", "xz", "yz"), ("xy", "xz", "zx")])
@pytest.mark.parametrize("align_corners", [True, False])
def test_it_is_grid_sample(axes, align_corners):
    """In value and gradients, in and outside the cube."""
    planes = torch.randn(2, 12, 6, 6, dtype=torch.float64, requires_grad=True)
    points = (0.7 * torch.randn(2, 50, 3, dtype=torch.float64)).requires_grad_()
    features = sample_planes(planes, points, 0.6, axes, align_corners)
    pairs = [points[..., ["xyz".index(axis) for axis in pair]] / 0.6 for pair in axes]
    expected = [
        F.grid_sample(plane, pair[:, None], align_corners=align_corners)[:, :, 0].mT
        for plane, pair in zip(planes.chunk(3, dim=1), pairs, strict=True)
    ]
    expected = torch.stack(expected, dim=1)
    torch.testing.assert_close(features, expected)
    seen = torch.randn_like(expected)
    gradients = [torch.autograd.grad((x * seen).sum(), (planes, points)) for x in (features, expected)]
    torch.testing.assert_close(*gradients)


def test_the_mean_over_the_planes():
    planes, points = torch.randn(2, 12, 6, 6), torch.rand(2, 20, 3) - 0.5
    torch.testing.assert_close(mean_of_planes(planes, points), sample_planes(planes, points).mean(dim=1))


def test_points_that_are_no_numbers_have_no_features():
    """Diverged cameras are found out by their losses, not by a look-up that fails."""
    points = torch.tensor([[[torch.nan, 0.0, 0.0], [torch.inf, 0.0, 0.0]]])
    assert not mean_of_planes(torch.ones(1, 3, 4, 4), points)[0, 0].isfinite().any()


def test_nothing_is_outside_the_cube():
    points = torch.tensor([[[2.0, 2.0, 2.0], [0.0, 0.0, 9.0]]])
    features = sample_planes(torch.ones(1, 6, 5, 5), points)
    assert (features[:, :, 0] == 0).all()
    assert features[0, :, 1, 0].tolist() == [1.0, 0.0, 0.0]


def test_samples_of_the_batch_have_their_own_planes():
    planes = torch.ones(2, 3, 4, 4) * torch.tensor([1.0, 2.0])[:, None, None, None]
    features = sample_planes(planes, torch.zeros(2, 1, 3))
    torch.testing.assert_close(features.mean(dim=(1, 2, 3)), torch.tensor([1.0, 2.0]))


@pytest.mark.parametrize("align_corners, inside", [(True, 1.0), (False, 0.5)])
def test_where_the_faces_of_the_cube_are(align_corners, inside):
    """A face is the centre of the border pixels, or their outer edge, where half of the weight is outside."""
    points = torch.tensor([[[0.5, 0.0, 0.0]]])
    features = sample_planes(torch.ones(1, 3, 8, 8), points, align_corners=align_corners)
    assert features[0, 0, 0, 0].item() == inside
