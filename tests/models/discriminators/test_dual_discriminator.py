"""projects/threedgp/models/discriminators/dual_discriminator.py"""

import pytest
import torch

from projects.threedgp.models import ThreeDGPDualDiscriminator


def network(**arguments):
    small = dict(image_size=16, patch_size=None, num_classes=3, cbase=64, cmax=8, mbstd_group_size=1)
    return ThreeDGPDualDiscriminator(**small | arguments)


def pictures(channels=3):
    return torch.randn(4, channels, 16, 16), torch.randn(4, channels, 8, 8)


LABEL = torch.tensor([0, 1, 2, 0])


def test_both_images_count():
    net, (images, raw) = network(), pictures()
    logits = net(images, LABEL, raw=raw)
    assert logits.shape == (4,)
    assert (net(images + 1, LABEL, raw=raw) != logits).all() and (
        net(images, LABEL, raw=raw + 1) != logits
    ).all()


def test_depth_makes_it_eight_channels_and_features_a_second_head():
    net, (images, raw) = network(in_channels=4, feature_dim=7), pictures(4)
    assert net.judge.from_image.weight.shape[1] == 8 and net.in_channels == 4
    logits, features = net(images, LABEL, raw=raw, return_features=True)
    assert logits.shape == (4,) and features.shape == (4, 7) == (4, net.feature_dim)


def test_raw_images_must_be_there():
    with pytest.raises(ValueError, match="raw: got None, wanted the images as they were rendered"):
        network()(pictures()[0], LABEL)


def test_poses_are_told_behind_the_class():
    net, (images, raw) = network(pose_dim=5), pictures()
    pose = torch.randn(4, 5)
    logits = net(images, LABEL, raw=raw, pose=pose)
    told = net.judge.epilogue.condition_mapping.embed
    assert told.weight.shape[1] == 3 + 5
    assert (net(images, LABEL, raw=raw, pose=pose + 1) != logits).all()
    with pytest.raises(ValueError, match=r"pose: got None, wanted \(4, 5\)"):
        net(images, LABEL, raw=raw)


def test_noise_on_poses_is_in_units_of_their_spread():
    net = network(pose_dim=3, pose_noise=0.5)
    pose = torch.randn(4000, 3) * torch.tensor([0.0, 1.0, 10.0])
    noise = net.noisy(pose) - pose
    torch.testing.assert_close(noise.std(dim=0), torch.tensor([0.0, 0.5, 5.0]), atol=0.3, rtol=0)
    assert torch.equal(net.noisy(pose[:1]), pose[:1]), "one sample has no spread"
    assert network(pose_dim=3).noisy(pose) is pose


@pytest.mark.parametrize("share, contrast", [(1.0, 0.0), (0.0, 1.0), (0.25, 0.75)])
def test_raw_images_of_reals(share, contrast):
    """A third of a picture whose every third column is 1, the others -1/2: its mean is 0."""
    images = torch.full((1, 3, 24, 24), -0.5)
    images[..., 1::3] = 1.0
    raw = network(raw_antialias=share).raw_of(images, 8)
    # An antialiased resize looks at two widths of a pixel: weights 1, 2, 3, 2, 1 over 9.
    assert raw[..., 2:-2, 2:-2].mean().item() == pytest.approx(contrast, abs=1e-5)
