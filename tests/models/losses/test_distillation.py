"""projects/threedgp/models/losses/distillation.py"""

import pytest
import torch

from projects.threedgp.models.losses.distillation import KnowledgeDistillationLoss


@pytest.mark.parametrize("form", ["l2", "kl"])
def test_equal_features_cost_nothing(form):
    features = torch.randn(4, 6)
    loss = KnowledgeDistillationLoss(form)
    torch.testing.assert_close(loss(features, features), torch.tensor(0.0), atol=1e-6, rtol=0)


def test_l2_is_the_euclidean_distance():
    distance = KnowledgeDistillationLoss().distance(torch.zeros(2, 2), torch.tensor([[3.0, 4.0], [0.0, 1.0]]))
    torch.testing.assert_close(distance, torch.tensor([5.0, 1.0]))


def test_kl_is_the_divergence_of_the_softmax_from_the_teachers():
    predicted, target = torch.randn(3, 5), torch.randn(3, 5)
    p, q = target.softmax(dim=1), predicted.softmax(dim=1)
    expected = (p * (p / q).log()).sum(dim=1)
    distance = KnowledgeDistillationLoss("kl").distance(predicted, target)
    torch.testing.assert_close(distance, expected)


def test_patches_weigh_as_their_scale_over_the_mean():
    loss, scales = KnowledgeDistillationLoss(), torch.tensor([0.25, 0.75])
    ones = torch.ones(2, 1)
    distance = loss.distance(ones, torch.zeros(2, 1), scales)
    torch.testing.assert_close(distance, torch.tensor([0.5, 1.5]))
    unweighted = KnowledgeDistillationLoss(patch_weighting=False)
    torch.testing.assert_close(unweighted.distance(ones, torch.zeros(2, 1), scales), torch.ones(2))


def test_a_part_of_a_batch_weighs_by_the_mean_scale_of_the_whole():
    loss, scales = KnowledgeDistillationLoss(), torch.tensor([0.25, 0.75, 1.0, 1.0])
    predicted, target = torch.randn(4, 3), torch.randn(4, 3)
    whole = loss(predicted, target, scales, kimg=25_000)
    halves = [
        loss(predicted[half], target[half], scales[half], kimg=25_000, mean_scale=scales.mean())
        for half in (slice(0, 2), slice(2, 4))
    ]
    torch.testing.assert_close(sum(halves) / 2, whole)


@pytest.mark.parametrize("kimg, weight", [(0, 1.0), (25_000, 0.75), (100_000, 0.0), (1e6, 0.0)])
def test_weight_fades(kimg, weight):
    loss = KnowledgeDistillationLoss()(torch.ones(2, 1), torch.zeros(2, 1), kimg=kimg)
    assert loss.item() == pytest.approx(weight)


def test_teacher_of_another_width_is_named():
    with pytest.raises(ValueError, match=r"teacher features: got \(2, 7\), wanted \(2, 6\)"):
        KnowledgeDistillationLoss()(torch.zeros(2, 6), torch.zeros(2, 7))


def test_unknown_form_is_named():
    with pytest.raises(ValueError, match="form: got 'l1'"):
        KnowledgeDistillationLoss("l1")
