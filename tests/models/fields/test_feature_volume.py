"""projects/threedgp/models/fields/feature_volume.py"""

import pytest
import torch
import torch.nn.functional as F

from projects.threedgp.models.fields.feature_volume import FeatureVolume


@pytest.mark.parametrize(
    "resolution, feature_dim, max_channels, widths",
    [(32, 32, 256, [256, 128, 64, 32]), (16, 6, 16, [16, 8, 6]), (16, 12, 16, [16, 12, 12]), (4, 6, 16, [6])],
)
def test_stages_halve_down_to_the_features(resolution, feature_dim, max_channels, widths):
    volume = FeatureVolume(8, resolution, feature_dim, max_channels)
    assert volume.widths == widths
    assert volume(torch.randn(2, 8)).shape == (2, feature_dim, *[resolution] * 3)


def test_styles_set_mean_and_deviation_of_each_feature():
    volume = FeatureVolume(8, resolution=8, feature_dim=3, max_channels=4)
    with torch.no_grad():
        volume.affine.weight.zero_()
        volume.affine.bias.copy_(torch.tensor([1, 1, 1, 1, 2, 0.5, 3, 0, 0, 0, 0, 7, -8, 1]))
    features = volume(torch.randn(1, 8))[0].flatten(1)
    before = torch.where(features < 0, features / 0.2, features)
    torch.testing.assert_close(before.mean(dim=1), torch.tensor([7.0, -8.0, 1.0]), atol=1e-4, rtol=0)
    deviation = before.std(dim=1, correction=0)
    torch.testing.assert_close(deviation, torch.tensor([2.0, 0.5, 3.0]), atol=1e-2, rtol=0)


def test_the_style_starts_with_a_quarter_of_the_usual_deviation():
    volume = FeatureVolume(512, resolution=32, feature_dim=32, max_channels=256)
    expected = 0.25 * (2 / (1 + 0.2**2) / 512) ** 0.5
    assert volume.affine.weight.std().item() == pytest.approx(expected, rel=0.02)
    assert (volume.const == 1).all() and volume.const.shape == (256, 4, 4, 4)


def test_stages_double_by_repetition():
    stage = FeatureVolume(8, resolution=8, feature_dim=3, max_channels=4).stages[1]
    x = torch.randn(1, 4, 4, 4, 4)
    repeated = x.repeat_interleave(2, dim=2).repeat_interleave(2, dim=3).repeat_interleave(2, dim=4)
    expected = F.conv3d(repeated, stage.conv.weight, stage.conv.bias, padding=1)
    torch.testing.assert_close(stage.convolve(x), expected)


def test_second_derivative_with_respect_to_the_style():
    torch.manual_seed(0)
    volume = FeatureVolume(3, resolution=8, feature_dim=2, max_channels=2).double()
    points = torch.rand(1, 4, 3, dtype=torch.float64) - 0.5
    w = torch.randn(1, 3, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradgradcheck(lambda w: volume.look_up(volume(w), points), (w,))
