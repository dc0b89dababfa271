"""Precision and recall of points whose neighbours can be counted by hand."""

import pytest
import torch

from projects.threedgp.evaluation import LocalPrecisionRecall, local_precision_recall, precision_recall
from projects.threedgp.evaluation.local_precision_recall import neighbour_radii
from tests.stand_ins import save_inception_stand_in


def line(*points):
    """Points on a line."""
    return torch.tensor(points)[:, None]


def test_radii_reach_the_chosen_neighbour_of_the_others():
    points = line(0.0, 1.0, 3.0, 7.0)
    assert neighbour_radii(points, 1).tolist() == [1, 1, 2, 4]
    assert neighbour_radii(points, 2).tolist() == [3, 2, 3, 6]
    assert neighbour_radii(points, 3).tolist() == [7, 6, 4, 7]


def test_hand_made_points():
    """With one neighbour the real points cover [-1, 2] and [9, 12], the generated ones [1, 3] and [5, 9]."""
    real, fake = line(0.0, 1.0, 10.0, 11.0), line(1.5, 2.5, 6.0, 8.0)
    # Within the real intervals: 1.5 alone. Within the generated [0.5, 3.5] and [4, 10]: 1 and 10.
    assert precision_recall(real, fake, neighbours=1) == (0.25, 0.5)


def test_the_edge_belongs_to_the_neighbourhood():
    assert precision_recall(line(0.0, 1.0), line(2.0, 50.0), neighbours=1) == (0.5, 1.0)


def test_what_is_wide_is_recalled_and_what_is_narrow_is_precise():
    """Generated points in one corner of the reals, and the other way round."""
    grid = torch.cartesian_prod(torch.arange(10.0), torch.arange(10.0))
    corner = torch.cartesian_prod(torch.arange(3.0), torch.arange(3.0)) + 0.25
    precision, recall = precision_recall(grid, corner)
    assert precision == 1 and recall == pytest.approx(0.15, abs=0.02)
    assert precision_recall(corner, grid) == (recall, precision)


@pytest.mark.parametrize("size", [2, 64])
def test_identical_sets_are_perfect(size):
    points = torch.randn(200, size) * 3 + 100
    assert precision_recall(points, points.clone()) == (1, 1)


def test_disjoint_sets_share_nothing():
    assert precision_recall(torch.randn(50, 8), torch.randn(70, 8) + 100) == (0, 0)


def test_a_collapsed_generator_is_precise_and_recalls_nothing():
    real = torch.randn(300, 4)
    collapsed = real[:1] + 1e-3 * torch.randn(300, 4)
    precision, recall = precision_recall(real, collapsed)
    assert precision == 1 and recall <= 1 / 300


def test_blocks_change_nothing(monkeypatch):
    real, fake = torch.randn(53, 5), torch.randn(41, 5) + 0.5
    whole = precision_recall(real, fake)
    assert min(whole) > 0 and max(whole) < 1
    monkeypatch.setattr(local_precision_recall, "DISTANCES_AT_ONCE", 100)
    assert precision_recall(real, fake) == whole


def test_the_metric(tmp_path):
    metric = LocalPrecisionRecall(inception_path=save_inception_stand_in(tmp_path), neighbours=1)
    metric.real_features = line(0.0, 1.0, 10.0, 11.0)
    values = metric.compute_metrics(line(1.5, 2.5, 6.0, 8.0).split(1))
    assert values == {"precision": 0.25, "recall": 0.5}
    assert metric.least_images == 2


def test_no_neighbour_is_refused(tmp_path):
    with pytest.raises(ValueError, match="got neighbours=0, wanted at least 1"):
        LocalPrecisionRecall(inception_path=save_inception_stand_in(tmp_path), neighbours=0)
