"""How fast the average forgets, and that a new training does not make it young again."""

import pytest
import torch
from torch import nn

from projects.threedgp.training.ema import ImagesSeenEMA


def averaged(**arguments) -> tuple[ImagesSeenEMA, nn.Linear]:
    """An average that is 0 everywhere, and a source that is 1 everywhere."""
    source = nn.Linear(1, 1)
    nn.init.zeros_(source.weight)
    average = ImagesSeenEMA(source, **arguments)
    average.steps.fill_(1)  # at step 0 the toolkit copies
    nn.init.ones_(source.weight)
    return average, source


@pytest.mark.parametrize(
    "half_life_kimg, batch_size, images_to_half",
    [(None, 64, 20_000), (None, 8, 2_500), (0.5, 8, 500), (20.0, 32, 20_000)],
)
def test_half_of_it_is_forgotten_after_a_half_life(half_life_kimg, batch_size, images_to_half):
    average, source = averaged(half_life_kimg=half_life_kimg)
    steps = images_to_half / batch_size
    average.step(source, 25_000_000, batch_size)
    assert average.decay == pytest.approx(0.5 ** (1 / steps), rel=1e-9)
    assert average.module.weight.item() == pytest.approx(1 - 0.5 ** (1 / steps), rel=1e-4)


@pytest.mark.parametrize(
    "images_seen, decay", [(0, 0.0), (1000, 0.5 ** (64 / 50)), (400_000, 0.5 ** (64 / 20_000))]
)
def test_the_half_life_is_at_most_a_twentieth_of_the_images(images_seen, decay):
    average, source = averaged()
    average.step(source, images_seen, 64)
    assert average.decay == pytest.approx(decay)


def test_it_keeps_its_age_where_a_new_training_counts_from_zero():
    average, source = averaged(half_life_kimg=0.5)
    average.keep_age(64_000, 0)
    average.step(source, 0, 8)
    assert average.decay == pytest.approx(0.5 ** (8 / 500))
    resumed, _ = averaged(half_life_kimg=0.5)
    resumed.load_state_dict(average.state_dict())
    resumed.step(source, 8, 8)
    assert resumed.decay == pytest.approx(0.5 ** (8 / 500))


def test_fresh_weights_have_no_age_wherever_their_training_begins():
    average, source = averaged()
    average.keep_age(0, 100_000)
    average.step(source, 100_000, 64)
    assert average.decay == 0 and torch.equal(average.module.weight, source.weight)
