"""projects/threedgp/models/discriminators/blocks.py"""

import torch

from projects.threedgp.models.discriminators.blocks import minibatch_std


def test_minibatch_std_of_a_known_group():
    x = torch.tensor([1.0, 3.0])[:, None, None, None].expand(2, 5, 4, 4)
    torch.testing.assert_close(minibatch_std(x, 2), torch.ones(2, 1, 4, 4))


def test_minibatch_std_groups_are_strided():
    """Of eight samples, 0, 2, 4, 6 form a group, and 1, 3, 5, 7."""
    x = torch.zeros(8, 1, 4, 4)
    x[0] = 1.0
    value = minibatch_std(x, 4)[:, 0, 0, 0]
    assert (value[::2] > 0.1).all() and (value[1::2] < 1e-3).all()


def test_small_batch_is_one_group():
    assert minibatch_std(torch.randn(2, 3, 4, 4), 4).shape == (2, 1, 4, 4)
