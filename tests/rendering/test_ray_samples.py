"""projects/threedgp/rendering/ray_samples.py"""

import pytest
import torch

from projects.threedgp.rendering.ray_samples import JITTERS, RaySpan, box_limits, box_span


@pytest.mark.parametrize(
    "jitter, lowest, middle, highest",
    [
        ("strata", [0, 0.25, 0.75], [0.125, 0.5, 0.875], [0.25, 0.75, 1]),
        ("step", [0, 0.5, 1], [0.25, 0.75, 1.25], [0.5, 1, 1.5]),
        ("centered", [-0.25, 0.25, 0.75], [0, 0.5, 1], [0.25, 0.75, 1.25]),
        ("none", [0, 0.5, 1], [0, 0.5, 1], [0, 0.5, 1]),
    ],
)
def test_strata_of_three_samples(jitter, lowest, middle, highest):
    for draw, places in ((0.0, lowest), (0.5, middle), (1.0, highest)):
        placed = JITTERS[jitter](torch.full((1, 1, 3), draw))
        torch.testing.assert_close(placed, torch.tensor([[places]], dtype=torch.float32))


def test_disparity_is_linear_in_the_inverse_distance():
    t = RaySpan(1.0, 4.0, "disparity").at(torch.tensor([[[0.0, 0.5, 1.0]]]))
    torch.testing.assert_close(1 / t, torch.tensor([[[1.0, 0.625, 0.25]]]))


def test_rays_meet_a_box_where_they_should():
    """Straight through the middle of a cube of side 1, along its diagonal, and past it."""
    origins = torch.tensor([[[0.0, 0.0, 3.0], [2.0, 2.0, 2.0], [0.0, 5.0, 3.0]]])
    diagonal = torch.ones(3) / 3**0.5
    down = torch.tensor([1e-9, 1e-9, -1.0])
    directions = torch.stack([down, -diagonal, down])[None]
    span = box_span(origins, directions, side=1.0)
    near, far = span.near[0, :, 0], span.far[0, :, 0]
    through = torch.tensor([2.5, 1.5 * 3**0.5])
    torch.testing.assert_close(near[:2], through)
    torch.testing.assert_close(far[:2], torch.tensor([3.5, 2.5 * 3**0.5]))
    # The ray that misses: the smallest near, and the largest near, of those that hit.
    torch.testing.assert_close(torch.stack([near[2], far[2]]), torch.stack([through.min(), through.max()]))


def test_a_box_that_no_ray_meets_is_named():
    origins, directions = torch.tensor([[[0.0, 9.0, 3.0]]]), torch.tensor([[[1e-9, 1e-9, -1.0]]])
    with pytest.raises(ValueError, match=r"ray_box: got a cube of side 1\.0 that no ray"):
        box_span(origins, directions, side=1.0)


def test_rays_that_miss_the_box_say_so():
    origins = torch.tensor([[[0.0, 0.0, 3.0], [0.0, 9.0, 3.0]]])
    near, far = box_limits(origins, torch.tensor([[[1e-9, 1e-9, -1.0]]]).expand(1, 2, 3), side=1.0)
    torch.testing.assert_close(near[0, :, 0], torch.tensor([2.5, -1.0]))
    torch.testing.assert_close(far[0, :, 0], torch.tensor([3.5, -2.0]))
