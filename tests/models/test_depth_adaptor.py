"""projects/threedgp/models/depth_adaptor.py"""

import pytest
import torch
from torch.autograd import gradcheck

from projects.threedgp.models.depth_adaptor import DepthAdaptor


@pytest.fixture
def adaptor():
    return DepthAdaptor(hidden_dim=4, num_layers=3)


@pytest.fixture
def depth():
    return 0.75 + 0.5 * torch.rand(4, 1, 8, 8)


def test_full_size_has_the_official_number_of_weights():
    with torch.device("meta"):
        assert sum(p.numel() for p in DepthAdaptor().parameters()) == 206_658


@pytest.mark.parametrize("logit", [-3.0, 0.0, 3.0])
def test_learned_near_plane_goes_to_minus_one_and_far_to_one(logit):
    adaptor = DepthAdaptor(near=0.5, far=2.5, near_offset_init=logit, hidden_dim=4)
    near = 0.5 + torch.sigmoid(torch.tensor(logit)) * 0.25 * 2.0
    ends = torch.stack([near, torch.tensor(2.5)]).reshape(1, 1, 1, 2)
    torch.testing.assert_close(
        adaptor.normalize(ends).flatten(), torch.tensor([-1.0, 1.0]), atol=1e-6, rtol=0
    )


def test_first_candidate_is_the_normalized_depth(adaptor, depth):
    maps = adaptor.candidates(depth)
    assert maps.shape == (4, 4, 1, 8, 8)
    torch.testing.assert_close(maps[:, 0], adaptor.normalize(depth))


@pytest.mark.parametrize("mode", [True, False])
def test_outside_training_the_last_candidate_is_taken(adaptor, depth, mode):
    """Training is told by its time, not by the module's mode."""
    adaptor.train(mode)
    torch.testing.assert_close(adaptor(depth), adaptor.candidates(depth)[:, -1])


def test_choice_is_per_sample(adaptor, depth):
    choice, maps = torch.tensor([3, 0, 2, 1]), adaptor.candidates(depth)
    out = adaptor(depth, choice=choice)
    for i, k in enumerate(choice.tolist()):
        torch.testing.assert_close(out[i], maps[i, k])


@pytest.mark.parametrize("strategy, kimg", [("mean", 1.0), ("mean", None), ("last", 1.0)])
def test_other_strategies(depth, strategy, kimg):
    adaptor = DepthAdaptor(hidden_dim=4, strategy=strategy)
    maps = adaptor.candidates(depth)
    expected = maps.mean(dim=1) if strategy == "mean" else maps[:, -1]
    torch.testing.assert_close(adaptor(depth, kimg=kimg), expected)


@pytest.mark.parametrize("kimg, first", [(0, 0.25), (5000, 0.175), (10_000, 0.1), (50_000, 0.1)])
def test_probabilities_lie_on_a_line_and_sum_to_one(adaptor, kimg, first):
    probs = adaptor.selection_probs(kimg)
    assert probs[0].item() == pytest.approx(first)
    assert probs.sum().item() == pytest.approx(1)
    torch.testing.assert_close(probs.diff(), probs.diff()[0].expand(3), atol=1e-6, rtol=0)


def test_training_draws_with_these_probabilities():
    adaptor = DepthAdaptor(hidden_dim=1, num_layers=1, kernel_size=1)
    depth = torch.rand(20_000, 1, 1, 1) + 0.5
    untouched = adaptor(depth, kimg=1e6) == adaptor.normalize(depth)
    assert untouched.float().mean().item() == pytest.approx(0.1, abs=0.01)


def test_gradient():
    adaptor = DepthAdaptor(hidden_dim=2, num_layers=2, kernel_size=3).double()
    depth = 0.75 + 0.5 * torch.rand(3, 1, 4, 4, dtype=torch.float64)
    depth.requires_grad_(True)
    choice = torch.tensor([0, 1, 2])

    def adapt(depth, logit):
        parameters = dict(near_offset_logit=logit)
        return torch.func.functional_call(adaptor, parameters, depth, dict(choice=choice))

    logit = torch.randn(1, dtype=torch.float64, requires_grad=True)
    assert gradcheck(adapt, (depth, logit))


def test_unknown_strategy_is_named():
    with pytest.raises(ValueError, match="strategy: got 'first', wanted one of"):
        DepthAdaptor(strategy="first")


def test_no_layers_leave_the_normalized_depth(depth):
    adaptor = DepthAdaptor(num_layers=0, identity_prob=dict(start=0.25, end=0.1, over_kimg=1))
    for kimg in (0.5, None):
        torch.testing.assert_close(adaptor(depth, kimg=kimg), adaptor.normalize(depth))
    assert [name for name, _ in adaptor.named_parameters()] == ["near_offset_logit"]


@pytest.mark.parametrize("prob", [0.6, -0.1, dict(start=0.25, end=0.9, over_kimg=1)])
def test_probabilities_that_leave_others_negative_are_refused(prob):
    with pytest.raises(
        ValueError, match=r"identity_prob: got .* with 4 candidates, wanted values in \[0, 0.5\]"
    ):
        DepthAdaptor(num_layers=3, identity_prob=prob)
