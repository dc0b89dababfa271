"""Random changes of images through which gradients pass."""

import pytest
import torch
from mmagic.registry import MODELS

import projects.threedgp  # noqa: F401
from projects.threedgp.models.diff_augment import DiffAugment, cut_out, shift_colors, translate


@pytest.fixture(autouse=True)
def seed():
    torch.manual_seed(0)


def test_colours_change_and_depth_does_not():
    images = torch.rand(8, 4, 6, 6) * 2 - 1
    changed = shift_colors(images)
    torch.testing.assert_close(changed[:, 3], images[:, 3])
    assert (changed[:, :3] - images[:, :3]).abs().flatten(1).max(dim=1).values.min() > 1e-3


def test_colours_of_a_gray_image_shift_by_up_to_a_half():
    changed = shift_colors(torch.zeros(1000, 3, 2, 2))
    shifts = changed[:, 0, 0, 0]
    torch.testing.assert_close(changed, shifts[:, None, None, None].expand_as(changed))
    assert -0.5 <= shifts.min() < -0.45 and 0.45 < shifts.max() <= 0.5


def test_pictures_shift_by_up_to_an_eighth_of_the_side():
    images = torch.zeros(500, 1, 16, 16)
    images[:, :, 8, 8] = 1
    places = translate(images).flatten(1).argmax(dim=1)
    rows, columns = places // 16, places % 16
    for steps in (rows, columns):
        assert steps.unique().tolist() == [6, 7, 8, 9, 10]
    assert (rows != columns).any()


def test_what_is_shifted_in_is_zero():
    shifted = translate(torch.ones(100, 2, 16, 16))
    assert set(shifted.unique().tolist()) == {0, 1}
    assert shifted[:, :, 2:-2, 2:-2].min() == 1


def test_a_square_of_half_the_side_is_cut_out():
    cut = cut_out(torch.ones(500, 3, 8, 8))
    holes = (cut == 0).flatten(1).sum(dim=1) / 3
    # A whole square of 4 x 4, or what of it lies inside.
    assert holes.max() == 16 and holes.min() >= 4
    torch.testing.assert_close(cut[:, 0], cut[:, 2])


def test_gradients_pass():
    images = torch.rand(4, 3, 16, 16, requires_grad=True)
    MODELS.build(dict(type="DiffAugment"))(images).sum().backward()
    assert images.grad.abs().sum() > 0


def test_policies_are_those_that_are_named():
    images = torch.rand(4, 3, 8, 8)
    torch.testing.assert_close(DiffAugment(policies=())(images), images)
    with pytest.raises(ValueError, match=r"policies: got \('colour',\), wanted a list out of"):
        DiffAugment(policies=("colour",))
