"""projects/threedgp/evaluation/depth_accuracy.py"""

import math
import os

import pytest
import torch
from mmagic.registry import METRICS
from torch import Tensor, nn

from projects.threedgp.evaluation import draw_pairs, ordinal_error, scale_shift_invariant_rmse

# Two patterns of mean 0 and variance 1 that do not correlate.
COLUMNS = torch.tensor([-1.0, 1.0]).repeat(4, 2)[None, None]
ROWS = COLUMNS.mT.contiguous()
RAMP = torch.linspace(0, 255, 64).reshape(1, 8, 8)


def one_map(*values: float) -> Tensor:
    return torch.tensor(values).reshape(1, 1, 1, -1)


@pytest.mark.parametrize("scale, shift", [(1.0, 0.0), (0.5, 3.0), (1e-3, -7.0)])
def test_scale_and_shift_do_not_count(scale, shift):
    reference = torch.rand(2, 1, 6, 6, dtype=torch.float64)
    error = scale_shift_invariant_rmse(scale * reference + shift, reference)
    torch.testing.assert_close(error, torch.zeros(2, dtype=torch.float64), atol=1e-9, rtol=0)


@pytest.mark.parametrize("share", [0.0, 0.5, 1.0, 3.0])
def test_error_is_what_correlation_leaves(share):
    """r = 1 / sqrt(1 + share^2) for a depth with an orthogonal part of that size."""
    error = scale_shift_invariant_rmse(COLUMNS + share * ROWS, COLUMNS)
    assert error.item() == pytest.approx(share / math.sqrt(1 + share**2), abs=1e-9)


def test_a_constant_map_scores_one():
    error = scale_shift_invariant_rmse(torch.full((1, 1, 8, 8), 0.9), torch.rand(1, 1, 8, 8))
    assert error.item() == pytest.approx(1)


def test_an_inverted_map_is_not_turned_round():
    assert scale_shift_invariant_rmse(-2 * COLUMNS + 1, COLUMNS).item() == pytest.approx(1)


def test_a_constant_reference_has_no_error():
    reference = torch.stack([torch.full((1, 8, 8), 0.1), RAMP])
    assert scale_shift_invariant_rmse(torch.rand(2, 1, 8, 8), reference).isnan().tolist() == [True, False]


ALL_PAIRS = torch.tensor([[0, 0, 2], [1, 2, 1]])


@pytest.mark.parametrize(
    "depth, error",
    [
        ((0.0, 1.0, 2.0), 0),
        ((5.0, 6.0, 600.0), 0),
        ((0.0, 2.0, 1.0), 1 / 3),
        ((0.0, 1.0, 1.0), 1 / 6),
        ((4.0, 4.0, 4.0), 1 / 2),
        ((2.0, 1.0, 0.0), 1),
    ],
)
def test_ordinal_error_counts_wrong_pairs_and_half_of_the_ties(depth, error):
    found = ordinal_error(one_map(*depth), one_map(0.0, 1.0, 2.0), ALL_PAIRS, threshold=0.0)
    assert found.item() == pytest.approx(error)


def test_pairs_that_hardly_differ_in_the_reference_do_not_count():
    """The standard deviation of 0, 1, 2 is 0.82: with a threshold of 1.5 only 0 against 2 counts."""
    swapped, reference = one_map(1.0, 0.0, 2.0), one_map(0.0, 1.0, 2.0)
    assert ordinal_error(swapped, reference, ALL_PAIRS, threshold=1.0).item() == pytest.approx(1 / 3)
    assert ordinal_error(swapped, reference, ALL_PAIRS, threshold=1.5).item() == 0
    assert ordinal_error(swapped, reference, ALL_PAIRS, threshold=2.5).isnan().all()


def test_pairs_are_those_of_their_seed():
    pairs = draw_pairs(500, 16, seed=3)
    torch.rand(7)
    assert torch.equal(pairs, draw_pairs(500, 16, seed=3))
    assert not torch.equal(pairs, draw_pairs(500, 16, seed=4))
    assert set(pairs.flatten().tolist()) == set(range(16))


class LogOfRed(nn.Module):
    """Depth from the red channel; right only for RGB in [-1, 1]."""

    def forward(self, rgb: Tensor) -> Tensor:
        return torch.log(rgb[:, :1] + 1.5)


class HalfTheSize(nn.Module):
    def forward(self, rgb: Tensor) -> Tensor:
        return rgb[:, :1, ::2, ::2]


def save(network: nn.Module, folder) -> str:
    path = str(folder / "estimator.pt")
    torch.jit.script(network).save(path)
    return path


def metric(**arguments):
    return METRICS.build(dict(type="DepthAccuracy", **arguments))


def test_the_estimator_sees_rgb_between_minus_one_and_one(tmp_path):
    bgr = torch.cat([RAMP.flip(2), torch.zeros_like(RAMP), RAMP])
    depth = (RAMP / 127.5 - 1 + 1.5).log()
    accuracy = metric(estimator=save(LogOfRed(), tmp_path), fake_nums=2)
    accuracy.process({}, [dict(fake_img=bgr, depth=depth), dict(fake_img=bgr, depth=-depth)])
    errors = torch.cat(accuracy.fake_results)
    torch.testing.assert_close(errors, torch.tensor([[0.0, 0.0], [1.0, 1.0]]).double(), atol=1e-5, rtol=0)
    assert accuracy.evaluate() == {
        "DepthAccuracy/ssi_rmse": pytest.approx(0.5, abs=1e-5),
        "DepthAccuracy/ordinal": pytest.approx(0.5),
        "DepthAccuracy/left_out": 0,
    }


@pytest.mark.parametrize("kind, error", [("ema", 0), ("orig", 1)])
def test_the_reference_may_come_with_the_sample(kind, error):
    accuracy = metric(reference_key="truth", fake_nums=1, sample_model=kind)
    accuracy.process({}, [dict(ema=dict(depth=RAMP), orig=dict(depth=-RAMP), truth=RAMP + 7)])
    assert accuracy.evaluate()["DepthAccuracy/ssi_rmse"] == pytest.approx(error, abs=1e-6)


def test_constant_references_are_counted_and_left_out():
    accuracy = metric(fake_nums=3)
    flat = torch.full_like(RAMP, 0.3)
    accuracy.process({}, [dict(depth=RAMP, gt_depth=each) for each in (flat, RAMP, -RAMP)])
    values = accuracy.evaluate()
    assert values["DepthAccuracy/left_out"] == 1
    assert values["DepthAccuracy/ssi_rmse"] == pytest.approx(1 / 2)
    assert values["DepthAccuracy/ordinal"] == pytest.approx(1 / 2)


def test_no_more_maps_are_measured_than_asked_for():
    accuracy = metric(fake_nums=2)
    for _ in range(3):
        accuracy.process({}, 2 * [dict(depth=RAMP, gt_depth=RAMP)])
    assert len(accuracy.fake_results) == 2


def test_a_missing_reference_is_named():
    with pytest.raises(KeyError, match="samples without 'gt_depth'"):
        metric().process({}, [dict(depth=RAMP)])


def test_a_reference_of_another_size_is_refused(tmp_path):
    accuracy = metric(estimator=save(HalfTheSize(), tmp_path))
    with pytest.raises(ValueError, match=r"estimator: got depth of shape \(1, 1, 4, 4\)"):
        accuracy.process({}, [dict(fake_img=RAMP.repeat(3, 1, 1), depth=RAMP)])


def test_a_missing_or_broken_estimator_is_named(tmp_path):
    path = tmp_path / "depth.pt"
    with pytest.raises(FileNotFoundError, match=rf"estimator: no file '{path}' \(looked from {os.getcwd()}"):
        metric(estimator=str(path))
    path.write_bytes(b"half a file")
    with pytest.raises(ValueError, match=r"estimator: .*depth.pt' is not a \(whole\) TorchScript file"):
        metric(estimator=str(path))
