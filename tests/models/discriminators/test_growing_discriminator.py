"""projects/threedgp/models/discriminators/growing_discriminator.py"""

import math

import pytest
import torch
import torch.nn.functional as F

from projects.threedgp.models import GrowingDiscriminator
from projects.threedgp.rendering import Patch


def tiny_discriminator(**changes):
    torch.manual_seed(0)
    sizes = dict(image_size=32, base_size=8, num_classes=None, cbase=128, cmax=8, embed_dim=6)
    return GrowingDiscriminator(**sizes | changes)


@pytest.fixture
def images():
    return torch.randn(4, 3, 32, 32)


def coarse(images, size):
    """Images of fewer pixels, shown at the full size."""
    return F.interpolate(F.avg_pool2d(images, 32 // size), 32, mode="nearest")


def test_all_levels_are_on_unless_said_otherwise(images):
    discriminator = tiny_discriminator()
    assert discriminator.levels == 2 and discriminator.grows
    assert torch.equal(discriminator(images), discriminator(images, level=2.0))


@pytest.mark.parametrize("level, size", [(0.0, 8), (1.0, 16)])
def test_what_is_finer_than_the_level_is_not_seen(images, level, size):
    discriminator = tiny_discriminator()
    logits = discriminator(images, level=level)
    torch.testing.assert_close(discriminator(coarse(images, size), level=level), logits)
    assert not torch.allclose(discriminator(coarse(images, size // 2), level=level), logits)


@pytest.mark.parametrize("level", [0.0, 1.0])
def test_a_level_fades_in_from_nothing_to_all(images, level):
    discriminator = tiny_discriminator()
    at = lambda level: discriminator(images, level=level)  # noqa: E731
    torch.testing.assert_close(at(level + 1e-5), at(level), atol=1e-3, rtol=0)
    torch.testing.assert_close(at(level + 1 - 1e-5), at(level + 1), atol=1e-3, rtol=0)


def test_half_way_both_inputs_are_mixed(images):
    discriminator = tiny_discriminator()
    seen = {}
    discriminator.blocks[1].register_forward_hook(lambda _m, inputs, _out: seen.update(x=inputs[0]))
    discriminator(images, level=1.25)
    fine = discriminator.blocks[0](discriminator.from_image[0](images), None)
    averaged = discriminator.from_image[1](F.avg_pool2d(images, 2))
    torch.testing.assert_close(seen["x"], 0.25 * fine + 0.75 * averaged)


def test_blocks_that_are_off_get_no_gradient(images):
    discriminator = tiny_discriminator()
    discriminator(images, level=1.0).sum().backward()
    assert all(p.grad is None for p in discriminator.blocks[0].parameters())
    assert all(p.grad is not None for p in discriminator.blocks[1].parameters())


def test_labels_are_judged_by_projection(images):
    discriminator = tiny_discriminator(num_classes=3, mapping_layers=2, mapping_dim=5)
    seen = {}
    discriminator.epilogue.out.register_forward_hook(lambda _m, _inputs, out: seen.update(out=out))
    label = torch.tensor([0, 1, 2, 0])
    logits = discriminator(images, label)
    code = discriminator.epilogue.condition_mapping(F.one_hot(label, 3).float())
    assert code.shape == (4, 6)
    torch.testing.assert_close(logits, (seen["out"] * code).sum(dim=1) / math.sqrt(6))
    widths = [tuple(layer.weight.shape) for layer in discriminator.epilogue.condition_mapping.layers]
    assert widths == [(5, 6), (6, 5)]


def test_a_second_head_predicts_features(images):
    logits, features = tiny_discriminator(feature_dim=7)(images, return_features=True, level=0.5)
    assert logits.shape == (4,) and features.shape == (4, 7)
    with pytest.raises(
        ValueError, match="return_features: this discriminator was built with feature_dim=None"
    ):
        tiny_discriminator()(images, return_features=True)


def test_impossible_values_are_named(images):
    with pytest.raises(ValueError, match=r"patch_size: got 16, wanted whole images of 32"):
        tiny_discriminator(patch_size=16)
    with pytest.raises(ValueError, match="base_size: got 12, wanted a power of two"):
        tiny_discriminator(base_size=12)
    for wrong in (dict(images=images[..., :16, :16]), dict(images=images, patch=Patch.full(4))):
        with pytest.raises(ValueError, match=r"images: got shape .*, wanted whole ones of \(3, 32, 32\)"):
            tiny_discriminator()(**wrong)
