"""projects/threedgp/models/patch_sampler.py"""

import pytest
import torch

from projects.threedgp.models.patch_sampler import PatchSampler


@pytest.mark.parametrize(
    "options",
    [
        dict(),
        dict(distribution="uniform", max_scale=0.9),
        dict(distribution="discrete_uniform", scales=[0.25, 0.5, 1.0]),
    ],
    ids=["beta", "uniform", "discrete_uniform"],
)
@pytest.mark.parametrize("kimg", [0, 3000, 20_000])
def test_patches_are_square_and_inside_the_image(options, kimg):
    patch = PatchSampler(**options)(400, kimg)
    assert torch.equal(patch.scales[:, 0], patch.scales[:, 1])
    assert patch.scales.min() >= 0.25 and patch.offsets.min() >= 0
    assert (patch.offsets + patch.scales).max() <= 1 + 1e-6


@pytest.mark.parametrize("sharing", ["consecutive", "strided"])
def test_groups_share_a_patch(sharing):
    scales = PatchSampler(distribution="uniform", sharing=sharing)(12, 0).scales[:, 0]
    groups = scales.reshape(3, 4) if sharing == "consecutive" else scales.reshape(4, 3).T
    assert (groups == groups[:, :1]).all()
    assert len(set(scales.tolist())) == 3


def test_training_starts_with_whole_images():
    assert (PatchSampler()(400, kimg=0).scales > 0.99).float().mean() > 0.95


def test_mean_of_the_beta_distribution():
    """E[s] = min + (max - min) / (1 + beta) for alpha = 1."""
    sampler = PatchSampler(min_scale=0.25, beta=0.8, group_size=1)
    mean = sampler(20_000, kimg=0).scales.mean().item()
    assert mean == pytest.approx(0.25 + 0.75 / 1.8, abs=0.01)


def test_discrete_scales_come_equally_often():
    sampler = PatchSampler("discrete_uniform", scales=[0.25, 0.5, 1.0], group_size=1)
    scales = sampler(9000, 0).scales[:, 0]
    for scale in (0.25, 0.5, 1.0):
        assert (scales == scale).float().mean().item() == pytest.approx(1 / 3, abs=0.03)


def test_the_ends_of_the_draws_are_the_smallest_and_the_largest_scale():
    ends, corner = torch.tensor([0.0, 1.0]), torch.zeros(2, 2)
    for options in (
        dict(distribution="discrete_uniform", scales=[0.3, 0.5, 0.8]),
        dict(min_scale=0.3, max_scale=0.8),
    ):
        patch = PatchSampler(**options).from_draws(ends, corner, kimg=0)
        torch.testing.assert_close(patch.scales[:, 0], torch.tensor([0.3, 0.8]))


def test_offsets_use_all_the_room():
    patch = PatchSampler(distribution="uniform", group_size=1)(5000, 0)
    room = patch.offsets / (1 - patch.scales)
    assert room.mean().item() == pytest.approx(0.5, abs=0.02)
    assert room.max() > 0.99 and room.min() < 0.01


def test_sampling_follows_the_seed():
    torch.manual_seed(5)
    first = PatchSampler()(8, 5000)
    torch.manual_seed(5)
    assert torch.equal(PatchSampler()(8, 5000).params, first.params)


def test_batch_has_to_divide_into_groups():
    with pytest.raises(ValueError, match=r"batch size: got 6, wanted a multiple of .* 4"):
        PatchSampler()(6, 0)


@pytest.mark.parametrize(
    "options, message",
    [
        (dict(distribution="gamma"), "distribution: got 'gamma'"),
        (dict(sharing="none"), "sharing: got 'none'"),
        (dict(min_scale=0.0), "min_scale, max_scale: got 0.0"),
        (dict(max_scale=1.5), "min_scale, max_scale: got 0.25, 1.5"),
        (dict(min_scale=0.8, max_scale=0.5), "min_scale, max_scale: got 0.8, 0.5"),
        (dict(distribution="discrete_uniform"), "scales: got None"),
    ],
)
def test_impossible_options_are_named(options, message):
    with pytest.raises(ValueError, match=message):
        PatchSampler(**options)
