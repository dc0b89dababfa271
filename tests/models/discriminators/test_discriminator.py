"""projects/threedgp/models/discriminators/discriminator.py"""

import pytest
import torch

from projects.threedgp.models.discriminators.discriminator import ThreeDGPDiscriminator
from projects.threedgp.rendering import Patch
from tests.tiny import FEATURE_DIM, PATCH_SIZE, tiny_discriminator


@pytest.fixture
def patches():
    return torch.randn(4, 4, PATCH_SIZE, PATCH_SIZE)


@pytest.fixture
def label():
    return torch.tensor([0, 1, 2, 0])


def where(x, y, scale=0.5):
    return Patch(torch.full((4, 2), scale), torch.tensor([[x, y]]).repeat(4, 1))


def test_full_size_has_the_official_number_of_weights():
    with torch.device("meta"):
        discriminator = ThreeDGPDiscriminator()
    assert sum(p.numel() for p in discriminator.parameters()) == 143_055_360
    unused = discriminator.unused_from_image
    assert sum(p.numel() for p in unused.parameters()) == 23_040


def test_one_logit_per_sample_and_features_on_request(patches, label):
    discriminator = tiny_discriminator()
    assert discriminator(patches, label).shape == (4,)
    logits, features = discriminator(patches, label, return_features=True)
    assert logits.shape == (4,) and features.shape == (4, FEATURE_DIM)


def test_logits_depend_on_class_and_patch_and_features_on_the_patch(patches, label):
    discriminator = tiny_discriminator()
    logits, features = discriminator(patches, label, where(0.1, 0.3), return_features=True)
    other, same = discriminator(patches, (label + 1) % 3, where(0.1, 0.3), return_features=True)
    assert not torch.isclose(logits, other).any()
    torch.testing.assert_close(features, same)
    for patch in (where(0.3, 0.1), where(0.1, 0.3, scale=0.6)):
        other, different = discriminator(patches, label, patch, return_features=True)
        assert not torch.isclose(logits, other).any()
        assert not torch.allclose(features, different)


def test_no_patch_means_the_whole_image(patches, label):
    discriminator = tiny_discriminator()
    torch.testing.assert_close(discriminator(patches, label), discriminator(patches, label, Patch.full(4)))


def test_without_any_condition(patches, label):
    discriminator = tiny_discriminator(num_classes=None, patch_conditioning=False, feature_dim=None)
    torch.testing.assert_close(discriminator(patches), discriminator(patches, label, where(0.1, 0.2)))
    with pytest.raises(ValueError, match=r"return_features: .* feature_dim=None"):
        discriminator(patches, return_features=True)


def test_depth_of_the_network_is_that_for_whole_images():
    """log2(image / patch) blocks keep the resolution."""
    for patch_size, halvings in ((16, 2), (8, 1)):
        discriminator = tiny_discriminator(patch_size=patch_size)
        assert len(discriminator.blocks) == 2
        assert sum(block.conv1.down for block in discriminator.blocks) == halvings


def test_batch_has_to_divide_into_groups():
    with pytest.raises(ValueError, match=r"batch size: got 6, wanted a multiple of .* 4"):
        tiny_discriminator()(torch.randn(6, 4, PATCH_SIZE, PATCH_SIZE), torch.zeros(6).long())


@pytest.mark.parametrize(
    "changes, message",
    [
        (dict(patch_size=32), "patch_size: got 32, wanted at most image_size = 16"),
        (dict(image_size=24), "image_size: got 24, wanted a power of two"),
        (dict(patch_size=12), "patch_size: got 12, wanted a power of two"),
    ],
)
def test_impossible_sizes_are_named(changes, message):
    with pytest.raises(ValueError, match=message):
        tiny_discriminator(**changes)


def test_wrong_images_are_named(label):
    with pytest.raises(ValueError, match=r"images: got shape \(3, 8, 8\), wanted \(4, 8, 8\)"):
        tiny_discriminator()(torch.randn(4, 3, 8, 8), label)


@pytest.mark.parametrize(
    "wrong, message",
    [
        (torch.tensor([0, 1, 2, 3]), r"label: got \[3\], wanted integers in \[0, 3\)"),
        (None, "label: got None"),
    ],
)
def test_wrong_labels_are_named(patches, wrong, message):
    with pytest.raises(ValueError, match=message):
        tiny_discriminator()(patches, wrong)


def test_every_weight_learns_but_the_unused(patches, label):
    discriminator = tiny_discriminator()
    logits, features = discriminator(patches, label, return_features=True)
    (logits.sum() + features.square().sum()).backward()
    for name, parameter in discriminator.named_parameters():
        assert (parameter.grad is None) == name.startswith("unused_from_image"), name


def test_low_precision_blocks_agree_with_full_precision():
    """The first blocks run in bfloat16 on a GPU; a CPU does the same if it is told to."""
    discriminator = tiny_discriminator(low_precision_blocks=2)
    images, label = torch.randn(4, 4, PATCH_SIZE, PATCH_SIZE, requires_grad=True), torch.tensor([0, 1, 2, 0])
    full = discriminator(images, label)
    quick = tiny_discriminator(low_precision_blocks=2, low_precision_on_cpu=True)
    quick.load_state_dict(discriminator.state_dict())
    low = quick(images, label)
    assert low.dtype == torch.float32 and (low - full).abs().max() > 0
    torch.testing.assert_close(low, full, rtol=0.05, atol=0.05)
    (gradient,) = torch.autograd.grad(low.sum(), images)
    assert gradient.isfinite().all() and gradient.abs().max() > 0
