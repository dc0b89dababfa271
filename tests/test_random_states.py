"""projects/threedgp/random_states.py: random numbers apart from those of others."""

import random

import numpy as np
import torch

from projects.threedgp.random_states import RandomStream, random_state_kept


def draw() -> tuple[float, float, float]:
    return random.random(), np.random.rand(), torch.rand(()).item()


def test_a_block_has_no_effect_on_what_comes_after_it():
    torch.manual_seed(1)
    random.seed(1)
    with random_state_kept():
        first = draw()
        torch.manual_seed(9)
    assert draw() == first


def test_a_stream_goes_on_and_leaves_the_outside_alone():
    torch.manual_seed(3)
    stream, again, other = RandomStream(0, 1), RandomStream(0, 1), RandomStream(1, 0)
    outside = torch.get_rng_state()
    with stream:
        inside = [draw()]
        with other:
            of_other = draw()
    with stream:
        inside.append(draw())
    assert torch.equal(torch.get_rng_state(), outside)
    with again:
        assert [draw(), draw()] == inside
    assert inside[0] != inside[1] != of_other != inside[0]
