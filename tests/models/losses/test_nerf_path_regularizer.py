"""projects/threedgp/models/losses/nerf_path_regularizer.py: pixels against points upsampled alone."""

from dataclasses import replace

import pytest
import torch

from projects.threedgp.models import GeneratorInput, NeRFPathRegularizer, PathDraws, Sampling
from projects.threedgp.models.losses.nerf_path_regularizer import pixel_grid
from projects.threedgp.rendering import Patch, patch_positions
from tests.models.fields.test_implicit_field import LABEL, generator
from tests.tiny import frontal_camera


@pytest.mark.parametrize("size, count", [(8, 4), (8, 8), (8, 3), (4, 1)])
def test_a_grid_is_made_of_pixels_of_the_image(size, count):
    draws = torch.tensor([[0.0, 0.99], [0.6, 0.3]])
    grid, rows, columns = pixel_grid(draws, size, count)
    pixels = patch_positions(Patch.full(1), size, "center")[0]
    torch.testing.assert_close(patch_positions(grid, count, "center"), pixels[rows, columns])
    step = size // count
    assert torch.equal(columns[:, 0, 0], (draws[:, 0] * step).long())
    assert torch.equal(rows[:, 0, 0], (draws[:, 1] * step).long())
    assert (rows.diff(dim=1) == step).all()


TERM = dict(type="NeRFPathRegularizer", num_samples=4, weight=2.0)


def training(level=None, pixels=0.0):
    return Sampling(kimg=0.0, level=level, path_draws=PathDraws(torch.full((2, 2), pixels)))


def generate(sampling, **changes):
    whole = generator(view_terms=[TERM], **changes)
    return whole, whole.generate(GeneratorInput(torch.randn(2, 11), LABEL, frontal_camera(2)), sampling)


def test_the_loss_is_the_weighted_squared_distance_of_colours():
    torch.manual_seed(0)
    whole, out = generate(training())
    torch.manual_seed(0)
    other = generator(view_terms=[])
    z = torch.randn(2, 11)
    scene = other.scene(other.style(z, LABEL))
    term = NeRFPathRegularizer(4)
    grid, rows, columns = pixel_grid(torch.zeros(2, 2), 16, 4)
    # A second pass of the same magnitudes.
    other.upsampler.load_state_dict(whole.upsampler.state_dict())
    points = term.composited(scene, frontal_camera(2), 4, grid, Sampling(), PathDraws(torch.zeros(2, 2)))
    pixels = torch.stack([out.rgb[i][:, rows[i], columns[i]] for i in range(2)])
    expected = 2 * (pixels - points).square().sum(dim=1).mean(dim=(1, 2))
    torch.testing.assert_close(out.terms["nerf_path"], expected, rtol=0.02, atol=0)


def test_it_vanishes_where_upsampled_points_are_what_is_seen():
    """A grey field without upsampler's layers: pixels and points have one colour."""
    whole = generator(view_terms=[TERM])
    with torch.no_grad():
        for parameter in [*whole.upsampler.parameters(), *whole.field.parameters()]:
            parameter.zero_()
        for mlp in (whole.field.mlp, whole.field.background_mlp):
            mlp.colour.bias.fill_(0.25)
    out = whole.generate(GeneratorInput(torch.randn(2, 11), LABEL, frontal_camera(2)), training(pixels=0.5))
    # As if the filter of skip images met no zeros at the border.
    inner = replace(out, rgb=torch.full_like(out.rgb, 0.25))
    term = NeRFPathRegularizer(4)
    scene = whole.scene(out.ws)
    loss = term(scene, inner, None, training())["nerf_path"]
    torch.testing.assert_close(loss, torch.zeros(2), atol=1e-10, rtol=0)


def test_only_training_has_it():
    assert "nerf_path" in generate(training())[1].terms
    assert not generate(Sampling())[1].terms


def test_there_is_none_while_images_are_as_they_are_rendered():
    upsampler = dict(type="StyleNeRFUpsampler", image_size=16, render_size=8, start_size=4, cbase=64, cmax=8)
    levels = {level: generate(training(level), upsampler=upsampler)[1].terms for level in (0.0, 0.5, 1.5)}
    assert [bool(terms) for terms in levels.values()] == [False, False, True]


def test_offsets_are_drawn_where_they_are_not_given():
    whole, out = generate(Sampling())
    scene, term = whole.scene(out.ws), NeRFPathRegularizer(4)
    losses = {term(scene, out, None, Sampling(kimg=0.0))["nerf_path"][0].item() for _ in range(3)}
    assert len(losses) == 3


def test_an_upsampler_that_cannot_do_without_is_named():
    whole, out = generate(Sampling())
    scene = replace(whole.scene(out.ws), upsampler=FixedUpsampler())
    with pytest.raises(ValueError, match="upsampler: got FixedUpsampler"):
        NeRFPathRegularizer(4)(scene, out, None, training())


class FixedUpsampler:
    num_ws = 1

    def render_size(self, resolution, sampling):
        return resolution

    def image_size(self, resolution, sampling):
        return resolution

    def __call__(self, features, ws, resolution, sampling):
        raise AssertionError


def test_impossible_numbers_are_named():
    with pytest.raises(ValueError, match="num_samples: got 0"):
        NeRFPathRegularizer(num_samples=0)
