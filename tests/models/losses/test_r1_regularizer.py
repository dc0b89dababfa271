"""projects/threedgp/models/losses/r1_regularizer.py"""

import pytest
import torch
from torch.autograd import gradcheck

from projects.threedgp.models.losses.r1_regularizer import R1Regularizer


def images():
    return torch.randn(3, 4, 5, 5, dtype=torch.float64, requires_grad=True)


def test_linear_logit_is_penalised_by_its_slope():
    x, w = images(), torch.randn(4, 5, 5, dtype=torch.float64)
    penalty = R1Regularizer()((x * w).sum(dim=(1, 2, 3)), [x], gamma=0.3)
    torch.testing.assert_close(penalty, (0.15 * w.square().sum()).expand(3))


def test_quadratic_logit_is_penalised_by_the_distance_to_its_minimum():
    x = images()
    penalty = R1Regularizer()(x.square().sum(dim=(1, 2, 3)) / 2, [x], gamma=2.0)
    torch.testing.assert_close(penalty, x.square().sum(dim=(1, 2, 3)))


def test_gradient():
    x = images()

    def penalty(w):
        return R1Regularizer()((x * w).tanh().sum(dim=(1, 2, 3)), [x], 0.5)

    w = torch.randn(4, 1, 1, dtype=torch.float64, requires_grad=True)
    assert gradcheck(penalty, (w,))


def test_gamma():
    assert R1Regularizer(0.05).weight(256, 64) == 0.05
    assert R1Regularizer("auto").weight(256, 64) == pytest.approx(0.0002 * 256**2 / 64)


def test_it_is_due_every_so_many_steps_whatever_the_batch_size():
    r1 = R1Regularizer(interval=4)
    for batch_size in (1, 8, 100):
        due = [r1.is_due(step * batch_size, batch_size) for step in range(9)]
        assert due == [True, False, False, False] * 2 + [True]


@pytest.mark.parametrize(
    "options, message",
    [(dict(gamma="much"), "gamma: got 'much'"), (dict(interval=0), "interval: got 0")],
)
def test_impossible_options_are_named(options, message):
    with pytest.raises(ValueError, match=message):
        R1Regularizer(**options)
