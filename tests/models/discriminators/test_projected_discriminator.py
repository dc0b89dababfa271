"""Small heads on randomly mixed features of a frozen network."""

import pytest
import timm
import torch
from mmagic.registry import MODELS
from torch import nn

import projects.threedgp  # noqa: F401
from projects.threedgp.models.discriminators.projected_discriminator import (
    FrozenPyramid,
    ProjectedDiscriminator,
    RandomMixing,
    ScaleHead,
)
from projects.threedgp.rendering import Patch

pytestmark = pytest.mark.filterwarnings("ignore:.*random weights")
SMALL = dict(network="test_resnet", input_size=64, mixed_width=4, width=8, code_dim=6, patch_embed_dim=8)


def discriminator(**changes) -> ProjectedDiscriminator:
    """One on a network with random weights, which stand in for pretrained ones."""
    torch.manual_seed(0)
    arguments = dict(image_size=32, patch_size=16, **SMALL)
    return MODELS.build(dict(type="ProjectedDiscriminator", **arguments | changes))


def patches(n: int = 3, channels: int = 3, size: int = 16) -> torch.Tensor:
    return torch.randn(n, channels, size, size, generator=torch.Generator().manual_seed(1)).clamp(-1, 1)


@pytest.mark.parametrize(
    ("network", "channels", "sides"),
    [
        ("test_resnet", [32, 48, 192, 96], [16, 8, 4, 2]),
        ("test_efficientnet", [24, 32, 48, 64], [16, 8, 4, 2]),
        ("test_convnext", [24, 32, 48, 64], [16, 8, 4, 2]),
    ],
)
def test_maps_are_the_last_ones_of_any_timm_network(network, channels, sides):
    pyramid = FrozenPyramid(4, model=network, image_size=64)
    maps = pyramid(patches(2, 3, 64))
    assert pyramid.channels == channels and pyramid.sides == sides
    assert [tuple(x.shape[1:]) for x in maps] == [(c, s, s) for c, s in zip(channels, sides, strict=True)]


def test_a_network_that_keeps_channels_last_and_one_of_a_single_scale():
    swin = FrozenPyramid(2, model="swin_tiny_patch4_window7_224", image_size=224)
    assert [tuple(x.shape) for x in swin(patches(1, 3, 224))] == [(1, 384, 14, 14), (1, 768, 7, 7)]
    vit = FrozenPyramid(4, model="test_vit", image_size=160)
    assert [tuple(x.shape) for x in vit(patches(1, 3, 160))] == [(1, 64, 10, 10)] * 3


def test_features_are_those_of_the_local_weights(tmp_path):
    network = timm.create_model("test_resnet", num_classes=10).eval()
    torch.save(network.state_dict(), tmp_path / "weights.pth")
    pyramid = FrozenPyramid(1, model="test_resnet", checkpoint=str(tmp_path / "weights.pth"), image_size=64)
    images = patches(2, 3, 64)
    expected = network.forward_features(pyramid.normalized(images))
    torch.testing.assert_close(pyramid(images)[0], expected)


def test_random_weights_are_the_same_each_time():
    digests = []
    for seed in (1, 2):
        torch.manual_seed(seed)
        digests.append(FrozenPyramid(2, model="test_resnet", image_size=64).digest())
    assert digests[0] == digests[1]


def test_mixing_goes_from_coarse_to_fine():
    mixing = RandomMixing([3, 5], width=4)
    fine, coarse = torch.randn(1, 3, 8, 8), torch.randn(1, 5, 4, 4)
    first, second = mixing([fine, coarse])
    assert first.shape == (1, 4, 8, 8) and second.shape == (1, 4, 4, 4)
    other_fine, other_coarse = mixing([fine + 1, coarse]), mixing([fine, coarse + 1])
    assert (other_fine[0] - first).abs().max() > 0.1
    torch.testing.assert_close(other_fine[1], second)
    assert all((a - b).abs().max() > 0.1 for a, b in zip(other_coarse, (first, second), strict=True))


def test_mixing_keeps_the_second_moment_of_what_it_mixes():
    mixing = RandomMixing([256], width=256)
    (mixed,) = mixing([torch.randn(1, 256, 32, 32)])
    assert mixed[..., 2:-2, 2:-2].square().mean().item() == pytest.approx(1, abs=0.2)


def test_there_is_a_logit_for_each_place_of_each_scale():
    model = discriminator()
    assert len(model.heads) == 4
    # Maps of 16, 8, 4 and 2 pixels: 4x4, 4x4, 2x2 and 1x1 places.
    assert model(patches()).shape == (3, 16 + 16 + 4 + 1)


@pytest.mark.parametrize(("side", "places"), [(64, 16), (32, 16), (8, 16), (4, 4), (14, 49)])
def test_heads_end_at_about_four_pixels(side, places):
    logits, pooled = ScaleHead(3, side, 5, 0, 2)(torch.randn(2, 3, side, side), torch.empty(2, 0))
    assert logits.shape == (2, places) and pooled.shape == (2, 5)


def test_only_the_heads_are_trained_and_all_random_weights_are_saved():
    model = discriminator(num_classes=5).train()
    assert {name.split(".")[0] for name, _ in model.named_parameters()} == {"heads"}
    model(patches(), torch.tensor([0, 1, 2])).sum().backward()
    assert all(p.grad is not None for p in model.parameters())
    saved = model.state_dict()
    assert not any("_network" in name for name in saved)
    torch.manual_seed(7)
    other = ProjectedDiscriminator(image_size=32, patch_size=16, num_classes=5, **SMALL)
    other.load_state_dict(saved)
    label = torch.tensor([0, 1, 2])
    torch.testing.assert_close(other.eval()(patches(), label), model.eval()(patches(), label))


def test_gradients_reach_the_images_through_the_frozen_network():
    images = patches().requires_grad_()
    discriminator()(images).mean().backward()
    assert images.grad.abs().flatten(1).max(dim=1).values.min() > 0


def test_the_penalty_on_gradients_can_be_trained_through_it():
    model, images = discriminator(), patches().requires_grad_()
    (gradient,) = torch.autograd.grad(model(images).sum(), images, create_graph=True)
    gradient.square().sum().backward()
    assert model.heads[0].blocks[0].parametrizations.weight.original.grad.abs().max() > 0


def test_classes_and_patches_change_the_judgement():
    model = discriminator(num_classes=5, patch_conditioning=True).eval()
    full, corner = Patch.full(3), Patch(torch.full((3, 2), 0.5), torch.zeros(3, 2))
    first = model(patches(), torch.tensor([0, 1, 2]), full)
    torch.testing.assert_close(model(patches(), torch.tensor([0, 1, 2])), first)
    assert (model(patches(), torch.tensor([0, 1, 3]), full)[2] - first[2]).abs().max() > 1e-4
    assert (model(patches(), torch.tensor([0, 1, 2]), corner) - first).abs().max() > 1e-4


def test_depth_is_judged_together_with_the_colours():
    model = discriminator(in_channels=4).eval()
    images = patches(channels=4)
    first = model(images)
    for channels in (slice(0, 3), slice(3, 4)):
        changed = images.clone()
        changed[:, channels] += 0.5
        assert (model(changed) - first).abs().max() > 1e-4


def test_blue_first_is_the_same_picture():
    images = patches()
    torch.testing.assert_close(discriminator(channel_order="bgr")(images.flip(1)), discriminator()(images))


def test_the_second_head_predicts_features():
    logits, features = discriminator(feature_dim=7)(patches(), return_features=True)
    assert logits.shape == (3, 37) and features.shape == (3, 7)
    with pytest.raises(ValueError, match="built with feature_dim=None"):
        discriminator()(patches(), return_features=True)


def test_images_are_augmented_only_where_that_is_asked_for():
    plain, augmented = (discriminator(augment=each).eval() for each in (None, dict(type="DiffAugment")))
    torch.testing.assert_close(plain(patches()), plain(patches()))
    assert (augmented(patches()) - augmented(patches())).abs().max() > 1e-4


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (dict(in_channels=5), "in_channels: got 5, wanted 3"),
        (dict(input_size=32), "input_size: got 32, of which test_resnet makes maps of 1 pixels"),
        (dict(num_scales=0), "num_scales: got 0, wanted at least 1"),
        (dict(channel_order="gbr"), "channel_order: got 'gbr'"),
    ],
)
def test_what_is_not_possible_is_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        discriminator(**changes)


def test_a_wrong_size_is_refused():
    with pytest.raises(ValueError, match=r"images: got shape \(3, 32, 32\), wanted \(3, 16, 16\)"):
        discriminator()(patches(size=32))


def test_weights_are_scale_free():
    head = ScaleHead(3, 8, 5, 0, 2).eval()
    x = torch.randn(2, 3, 8, 8)
    before, _ = head(x, torch.empty(2, 0))
    with torch.no_grad():
        for layer in [*head.blocks, head.out]:
            assert isinstance(layer, nn.Conv2d)
            layer.parametrizations.weight.original.mul_(3)
    torch.testing.assert_close(head(x, torch.empty(2, 0))[0], before)
