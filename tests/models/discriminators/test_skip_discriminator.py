"""projects/threedgp/models/discriminators/skip_discriminator.py: images that grow, with input skips."""

import pytest
import torch

from projects.threedgp.layers import filter2d, resize
from projects.threedgp.models import SkipDiscriminator


def discriminator(**changes):
    torch.manual_seed(0)
    sizes = dict(image_size=32, start_size=8, num_classes=None, cbase=128, cmax=8, mbstd_group_size=2)
    return SkipDiscriminator(**sizes | changes)


def images(side=32, n=4):
    torch.manual_seed(1)
    return torch.randn(n, 3, side, side)


def test_each_block_adds_what_it_sees_of_the_image_of_its_size():
    part = discriminator()
    seen = []
    for block in part.blocks:
        block.register_forward_hook(lambda _module, inputs, out: seen.append((*inputs, out)))
    part(images())
    assert [image.shape[-1] for _, image, _ in seen] == [32, 16, 8] and seen[0][0] is None
    x, image, out = seen[1]
    torch.testing.assert_close(image, filter2d(images(), padding=(1, 1), stride=2))
    block = part.blocks[1]
    torch.testing.assert_close(out, block.conv1(block.conv0(x + block.from_image(image))))


def test_smaller_images_enter_at_their_block_which_sees_them_twice():
    part = discriminator()
    seen = []
    part.blocks[1].register_forward_hook(lambda _module, inputs, out: seen.append(inputs))
    part.blocks[0].register_forward_hook(lambda *_: pytest.fail("no image is that large"))
    part(images(16), level=1.5)
    ((x, image),) = seen
    torch.testing.assert_close(x, part.blocks[1].from_image(image))


@pytest.mark.parametrize("fade", [False, True])
def test_at_level_0_images_are_made_as_small_as_it_is(fade):
    part = discriminator(fade=fade)
    small = resize(images(), 8, antialias=False)
    torch.testing.assert_close(part(images(), level=0.0), part(small, level=0.0))


@pytest.mark.parametrize("level", [0.5, 1.25, 1.999])
def test_the_release_does_not_fade(level):
    part = discriminator()
    size = 16 if level < 1 else 32
    torch.testing.assert_close(part(images(size), level=level), part(images(size)))


def test_what_was_meant_fades_from_the_smaller_images_to_the_new_ones():
    """Just after a level begins, images are judged as before, but for what the first block sees twice."""
    part = discriminator(fade=True)
    begun, over, whole = (part(images(), level=level) for level in (1.0, 1.999999, None))
    torch.testing.assert_close(over, whole, atol=1e-4, rtol=1e-4)
    small = resize(images(), 16, antialias=False)
    door = part.blocks[1].from_image(small)
    inner = part.blocks[1](door, small)
    image = filter2d(small, padding=(1, 1), stride=2)
    rest = part.blocks[2](inner, image)
    last = filter2d(image, padding=(1, 1), stride=2)
    logits, _ = part.epilogue(rest + part.from_image(last), torch.zeros(4, 0))
    torch.testing.assert_close(begun, logits)
    between = part(images(), level=1.5)
    assert (between != begun).all() and (between != whole).all()


def test_what_was_meant_makes_larger_images_as_small_as_the_level():
    part = discriminator(fade=True)
    small = resize(images(), 16, antialias=False)
    torch.testing.assert_close(part(images(), level=0.5), part(small, level=0.5))


def test_classes_and_features():
    part = discriminator(num_classes=3, feature_dim=5, in_channels=4)
    rgbd, label = torch.randn(4, 4, 32, 32), torch.tensor([0, 1, 2, 0])
    logits, features = part(rgbd, label, return_features=True)
    assert logits.shape == (4,) and features.shape == (4, 5) and part.feature_dim == 5
    other = part(rgbd, torch.tensor([1, 1, 2, 0]))
    assert other[0] != logits[0] and torch.equal(other[1:], logits[1:])
    assert len(part.epilogue.condition_mapping.layers) == 8


def test_features_that_are_not_there_are_named():
    with pytest.raises(ValueError, match="feature_dim=None"):
        discriminator()(images(), return_features=True)


@pytest.mark.parametrize(
    "changes, message",
    [
        (dict(patch_size=16), "patch_size: got 16, wanted the image_size 32"),
        (dict(start_size=64), "start_size: got 64, wanted at most image_size = 32"),
        (dict(start_size=12), "start_size: got 12"),
    ],
)
def test_impossible_sizes_are_named(changes, message):
    with pytest.raises(ValueError, match=message):
        discriminator(**changes)


@pytest.mark.parametrize("shape", [(4, 32, 32), (3, 24, 24), (3, 64, 64), (3, 32, 16)])
def test_images_that_do_not_fit_are_named(shape):
    with pytest.raises(ValueError, match="images: got shape"):
        discriminator()(torch.zeros(2, *shape))
