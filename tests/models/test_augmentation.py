"""projects/threedgp/models/augmentation.py"""

import math

import pytest
import torch

from projects.threedgp.models.augmentation import (
    AdaptiveAugmentation,
    draw_colors,
    draw_geometry,
    recolor_images,
    warp_images,
)

NEVER, ALWAYS = torch.tensor(0.0), torch.tensor(1.0)


def matrix(*rows):
    return torch.tensor([rows], dtype=torch.float32)


def test_nothing_changes_with_probability_0():
    images = torch.randn(3, 4, 9, 9)
    torch.testing.assert_close(warp_images(images, draw_geometry(3, NEVER, 9)), images)
    torch.testing.assert_close(recolor_images(images, draw_colors(3, NEVER)), images)
    (same,) = AdaptiveAugmentation()([images])
    assert same is images


def test_every_image_changes_with_probability_1():
    images = torch.randn(8, 4, 9, 9)
    (changed,) = AdaptiveAugmentation(start=1.0)([images])
    assert ((changed - images).abs().amax(dim=(1, 2, 3)) > 0.1).all()


def test_a_quarter_turn_and_a_shift_by_a_pixel():
    images = torch.randn(1, 3, 8, 8)
    turned = warp_images(images, matrix([0, 1, 0], [-1, 0, 0], [0, 0, 1]))
    torch.testing.assert_close(turned, images.rot90(-1, dims=(2, 3)), atol=1e-5, rtol=0)
    shifted = warp_images(images, matrix([1, 0, 2 / 7], [0, 1, 0], [0, 0, 1]))
    torch.testing.assert_close(shifted[..., :-1], images[..., 1:], atol=1e-5, rtol=0)
    torch.testing.assert_close(shifted[..., -1], images[..., -2], atol=1e-5, rtol=0)


@pytest.mark.parametrize("shift", [2, -2, 6])
def test_outside_is_a_mirror_image(shift):
    images = torch.randn(1, 3, 8, 8)
    beside = warp_images(images, matrix([1, 0, shift], [0, 1, 0], [0, 0, 1]))
    torch.testing.assert_close(beside, images.flip(-1), atol=1e-5, rtol=0)


def test_geometry_is_that_of_the_image_centre_and_moderate():
    transforms = draw_geometry(4000, ALWAYS, 32)
    assert (transforms[:, 2] == torch.tensor([0.0, 0, 1])).all()
    size = torch.linalg.det(transforms[:, :2, :2]).sqrt().log2()
    assert size.mean().abs() < 0.02 and size.std().item() == pytest.approx(0.2, rel=0.1)
    shift = transforms[:, :2, 2].std().item()
    whole, half = 2 * 0.125 / math.sqrt(3), 2 * 0.125
    assert shift == pytest.approx(math.hypot(whole, half), rel=0.1)


def test_both_rotations_together_come_with_the_probability():
    """At 0.36 a fifth of the images are turned by each of the two, 0.36 of them by one at least."""
    p = torch.tensor(0.36)
    axes = draw_geometry(20000, p, 33)[:, :2, :2]
    angle = torch.atan2(axes[:, 1, 0] - axes[:, 0, 1], axes[:, 0, 0] + axes[:, 1, 1])
    quarters = angle / (math.pi / 2)
    turned = (quarters - quarters.round()).abs() > 1e-3
    assert turned.float().mean().item() == pytest.approx(0.36, abs=0.02)


def test_colours_keep_gray_gray_but_for_lightness():
    transforms = draw_colors(500, ALWAYS)
    gray = recolor_images(torch.full((500, 3, 1, 1), 0.3), transforms)
    torch.testing.assert_close(gray, gray.mean(dim=1, keepdim=True).expand_as(gray), atol=1e-4, rtol=0)
    contrast = gray.mean(dim=1).std()
    assert contrast > 0.1


def test_colours_of_a_single_step_are_those_of_the_paper():
    """Determinants: contrast scales three axes, saturation two, hue none; inverted lightness flips one."""
    linear = draw_colors(4000, ALWAYS)[:, :3, :3]
    sign, size = torch.linalg.slogdet(linear)
    assert (sign < 0).float().mean().item() == pytest.approx(0.5, abs=0.03)
    expected = math.log(2) * math.hypot(3 * 0.5, 2 * 1.0)
    assert size.std().item() == pytest.approx(expected, rel=0.05)


def test_depth_is_moved_and_keeps_its_values():
    images = torch.rand(4, 4, 9, 9)
    images[:, 3] = 0.25
    (changed,) = AdaptiveAugmentation(start=1.0)([images])
    torch.testing.assert_close(changed[:, 3], images[:, 3])
    assert not torch.allclose(changed[:, :3], images[:, :3])
    torch.manual_seed(0)
    images[:, 3] = torch.rand(4, 9, 9)
    (moved,) = AdaptiveAugmentation(start=1.0, colors=False)([images])
    alone = warp_images(images[:, 3:], _same_geometry())
    torch.testing.assert_close(moved[:, 3:], alone)


def _same_geometry():
    torch.manual_seed(0)
    torch.rand(4, 9, 9)
    return draw_geometry(4, ALWAYS, 9)


def test_raw_images_are_changed_as_the_large_ones_are():
    small = torch.rand(2, 3, 5, 5)
    large = torch.nn.functional.interpolate(small, (17, 17), mode="bilinear", align_corners=True)
    changed, raw = AdaptiveAugmentation(start=1.0)([large, small])
    assert raw.shape == small.shape
    torch.testing.assert_close(changed[..., ::4, ::4], raw, atol=1e-5, rtol=0)


def test_second_derivative():
    """What R1 needs: the gradient with respect to images, differentiated by the weights behind them."""
    torch.manual_seed(0)
    geometry, colors = draw_geometry(1, ALWAYS, 4).double(), draw_colors(1, ALWAYS).double()
    images = torch.randn(1, 4, 4, 4, dtype=torch.float64, requires_grad=True)
    change = lambda x: recolor_images(warp_images(x, geometry), colors).tanh()  # noqa: E731
    assert torch.autograd.gradcheck(change, (images,))
    assert torch.autograd.gradgradcheck(change, (images,))


def test_probability_moves_towards_the_target():
    augmentation = AdaptiveAugmentation(target=0.6, adapt_kimg=1.0, interval=2)
    sure, unsure = torch.tensor(0.9), torch.tensor(0.2)
    augmentation.adapt(sure, batch_size=50)
    assert augmentation.probability == 0, "only every second step"
    augmentation.adapt(sure, batch_size=50)
    assert augmentation.probability.item() == pytest.approx(0.1)
    for _ in range(2):
        augmentation.adapt(unsure, batch_size=25)
    assert augmentation.probability.item() == pytest.approx(0.05)
    for _ in range(4):
        augmentation.adapt(unsure, batch_size=50)
    assert augmentation.probability == 0, "and stays in [0, 1]"
    assert augmentation.schedules(0.0) == {"augmentation": 0.0}


def test_signs_of_several_steps_are_averaged():
    augmentation = AdaptiveAugmentation(target=0.6, start=0.5, adapt_kimg=1.0, interval=3)
    for sign in (1.0, 1.0, -0.5):
        augmentation.adapt(torch.tensor(sign), batch_size=10)
    assert augmentation.probability.item() == pytest.approx(0.47)


def test_probability_may_be_kept():
    augmentation = AdaptiveAugmentation(start=0.3, adapt_kimg=None, interval=1)
    augmentation.adapt(torch.tensor(1.0), batch_size=64)
    assert augmentation.probability.item() == pytest.approx(0.3)


def test_checkpoints_carry_it():
    augmentation = AdaptiveAugmentation(start=0.3)
    augmentation.adapt(torch.tensor(1.0), batch_size=64)
    other = AdaptiveAugmentation()
    other.load_state_dict(augmentation.state_dict())
    assert other.probability == augmentation.probability and other.signs.tolist() == [1.0, 1.0]


@pytest.mark.parametrize(
    "wrong, message",
    [
        (dict(target=2), r"target: got 2, wanted a number in \[-1, 1\]"),
        (dict(start=-0.1), r"start: got -0.1, wanted a number in \[0, 1\]"),
        (dict(interval=0), "interval: got 0, wanted at least 1"),
    ],
)
def test_impossible_values_are_named(wrong, message):
    with pytest.raises(ValueError, match=message):
        AdaptiveAugmentation(**wrong)
