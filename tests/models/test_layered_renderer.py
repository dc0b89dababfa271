"""projects/threedgp/models/layered_renderer.py: the registered renderer of two layers."""

from dataclasses import replace

import pytest
import torch

from projects.threedgp.models import ImplicitField, LayeredRenderer, Sampling
from projects.threedgp.rendering import Patch, RayMarching
from tests.tiny import frontal_camera


def test_rays_end_on_the_plane_at_distance_one():
    origins, vectors = LayeredRenderer().rays(frontal_camera(fov_deg=90), 4)
    ends = (origins + vectors)[0].reshape(4, 4, 3)
    torch.testing.assert_close(ends[..., 2], torch.zeros(4, 4), atol=1e-6, rtol=0)
    # Pixel centres of a plane that is two wide.
    torch.testing.assert_close(ends[0, :, 0], torch.tensor([-0.75, -0.25, 0.25, 0.75]))
    torch.testing.assert_close(ends[:, 0, 1], torch.tensor([0.75, 0.25, -0.25, -0.75]))


def test_patches_are_measured_along_the_axis_of_the_whole_image():
    patch = Patch(torch.full((1, 2), 0.5), torch.tensor([[0.5, 0.0]]))
    _, vectors = LayeredRenderer().rays(frontal_camera(fov_deg=90), 2, patch)
    torch.testing.assert_close(vectors[..., 2], -torch.ones(1, 4))


def scene():
    torch.manual_seed(0)
    field = ImplicitField(w_dim=8, num_octaves=2, hidden_dim=8, num_layers=2, feature_dim=4, latent_dim=3)
    renderer = LayeredRenderer(num_coarse=4, num_fine=4, rays_per_chunk=7)
    return renderer, field(torch.randn(1, 4, 8), latent=torch.randn(1, 3)), frontal_camera()


@pytest.mark.parametrize("marching", [dict(), dict(cut_quantile=0.5)])
def test_chunks_change_nothing(marching):
    renderer, radiance, camera = scene()
    sampling = Sampling(marching=replace(renderer.marching, **marching))
    rays = renderer.rays(camera, 5)
    whole = renderer(radiance, *rays, sampling)
    with torch.no_grad():
        chunks = renderer(radiance, *rays, sampling)
    for one, other in zip(whole, chunks, strict=True):
        torch.testing.assert_close(one, other)


def test_noise_on_densities_is_of_training_alone():
    renderer, _, camera = scene()
    origins, _ = renderer.rays(camera, 2)
    kinds = (Sampling(), Sampling(deterministic=False), Sampling(deterministic=False, kimg=0.0))
    draws = [renderer.draw(origins, renderer.marching, sampling) for sampling in kinds]
    assert [d.foreground.coarse_noise is None for d in draws] == [True, True, False]
    assert draws[2].background.coarse_noise.shape == (1, 4, 4)


@pytest.mark.parametrize(
    "options, message",
    [
        (dict(marcher="mip"), "marcher, space: got 'mip', 'metric'"),
        (dict(space="normalized"), "marcher, space: got 'layered', 'normalized'"),
        (dict(num_background=0), "num_background: got 0"),
    ],
)
def test_impossible_options_are_named(options, message):
    with pytest.raises(ValueError, match=message):
        LayeredRenderer(**options)


def test_defaults_are_those_of_stylenerf():
    marching = LayeredRenderer().marching
    assert isinstance(marching, RayMarching)
    assert (marching.near, marching.far, marching.num_coarse, marching.density) == (0.88, 1.12, 14, "relu")
