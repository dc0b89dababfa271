"""projects/threedgp/models/losses/path_length_regularizer.py: the length of steps among images."""

from types import SimpleNamespace

import pytest
import torch
from torch import nn

from projects.threedgp.layers import StyleMapping
from projects.threedgp.models import GeneratorInput, PathLengthRegularizer, Sampling, ThreeDGPGenerator
from tests.tiny import Z_DIM, tiny_generator


class Linear(ThreeDGPGenerator):
    """A generator whose image is a linear function of two codes, and of something else behind them."""

    num_ws, patch_size = 2, 4

    def __init__(self):
        nn.Module.__init__(self)
        self.gain = nn.Parameter(torch.tensor(3.0))
        self.mapping, self.field = StyleMapping(w_dim=5), None

    def generate(self, inputs, sampling):
        ws = inputs.z.unflatten(1, (3, 5)).requires_grad_()
        pixels = self.gain * ws[:, :2].sum(dim=(1, 2)) + 100 * ws[:, 2].sum(dim=1)
        return SimpleNamespace(rgb=pixels[:, None, None, None].expand(-1, 3, 4, 4), ws=ws)


def lengths_of(noise, gain=3.0):
    """Each of 5 entries of a code moves each pixel by the gain."""
    return (gain * noise.sum(dim=(1, 2, 3)) / 4).abs() * 5**0.5


def test_loss_running_mean_and_gradient():
    term, generator = PathLengthRegularizer(weight=2.0, decay=0.25), Linear()
    term.mean_length.fill_(1.0)
    torch.manual_seed(0)
    noise, inputs = term.draw(3, generator), GeneratorInput(torch.randn(3, 15))
    loss = term(generator, inputs, Sampling(), noise)
    lengths = lengths_of(noise)
    mean = 0.75 + 0.25 * lengths.mean()
    torch.testing.assert_close(loss, 2 * (lengths - mean).square())
    torch.testing.assert_close(term.mean_length, mean)
    # The second derivative: lengths, and through them the mean, grow with the gain.
    loss.sum().backward()
    slopes = lengths / 3
    expected = (4 * (lengths - mean) * (slopes - 0.25 * slopes.mean())).sum()
    torch.testing.assert_close(generator.gain.grad, expected)


def test_images_that_still_grow_are_given_a_part_of_the_noise():
    term, generator = PathLengthRegularizer(), Linear()
    noise = torch.randn(3, 3, 8, 8)
    loss = term(generator, GeneratorInput(torch.randn(3, 15)), Sampling(), noise)
    lengths = lengths_of(noise[..., :4, :4])
    torch.testing.assert_close(loss, 2 * (lengths - 0.01 * lengths.mean()).square())


def test_all_codes_count_unless_told_otherwise():
    images, ws = torch.zeros(2, 3, 4, 4), torch.randn(2, 3, 5, requires_grad=True)
    images = images + ws.sum(dim=(1, 2))[:, None, None, None]
    noise = torch.ones(2, 3, 4, 4)
    lengths = PathLengthRegularizer().lengths(images, ws, noise)
    torch.testing.assert_close(lengths, torch.full((2,), 12 * 5**0.5))


def test_the_running_mean_is_saved():
    term = PathLengthRegularizer()
    assert list(term.state_dict()) == ["mean_length"] and (term.interval, term.batch_shrink) == (4, 2)


def test_impossible_intervals_are_named():
    with pytest.raises(ValueError, match="interval: got 0"):
        PathLengthRegularizer(interval=0)


def test_a_field_without_second_derivative_is_named():
    generator, term = tiny_generator(), PathLengthRegularizer()
    inputs = GeneratorInput(torch.randn(2, Z_DIM), torch.tensor([0, 1]))
    with pytest.raises(ValueError, match="got TriPlaneField, wanted one with a second derivative"):
        term(generator, inputs, Sampling(), term.draw(2, generator))
