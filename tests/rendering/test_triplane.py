"""projects/threedgp/rendering/triplane.py"""

import pytest
import torch

from projects.threedgp.rendering import sample_planes


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
