"""All of projects/threedgp/rendering computes where its inputs are, and in their precision.

A tensor on the "meta" device has a shape but no values; what is made on the CPU does not mix with it.
"""

import pytest
import torch

from projects.threedgp.rendering import (
    Camera,
    LayeredDraws,
    Patch,
    RayDraws,
    RayMarching,
    camera_to_world,
    extract_patches,
    pixel_rays,
    render_layers,
    render_rays,
)
from projects.threedgp.rendering.reprojection import look_up, project, unproject

META = torch.device("meta")
CAMERA = Camera(torch.ones(2, 8, device=META))


def grey(points):
    return torch.ones_like(points), torch.ones_like(points[..., :1])


def device_of(draws):
    parts = (draws.stratified, draws.importance, draws.coarse_noise, draws.fine_noise)
    return {part.device for part in parts if part is not None}


@pytest.mark.parametrize("marcher", ["classical", "mip"])
def test_rays_are_drawn_and_rendered_there(marcher):
    options = RayMarching(marcher=marcher, num_coarse=5, num_fine=4)
    origins, directions = pixel_rays(CAMERA, 3)
    draws = RayDraws.random(origins, options, noise=0.5)
    assert device_of(draws) == device_of(RayDraws.deterministic(origins, options)) == {META}
    out = render_rays(grey, origins, directions, options, draws)
    assert out.features.device == out.depth.device == META and out.features.shape == (2, 9, 3)


def test_cameras_patches_and_projections_stay_there():
    depth = torch.ones(2, 1, 4, 4, device=META)
    patch = Patch.full(2, META)
    points = unproject(depth, CAMERA)
    positions, ahead = project(points, CAMERA)
    results = camera_to_world(CAMERA), extract_patches(depth, patch, 3), points, positions, ahead
    assert {result.device for result in (*results, look_up(depth, positions), patch.params)} == {META}


def test_double_precision_stays_double():
    camera = Camera(torch.ones(2, 8).double())
    origins, directions = pixel_rays(camera, 3)
    options = RayMarching(num_coarse=5, num_fine=0)
    draws = RayDraws(torch.rand(2, 9, 5).double(), torch.zeros(2, 9, 0).double())
    out = render_rays(grey, origins, directions, options, draws)
    assert {t.dtype for t in (camera_to_world(camera), directions, out.features, out.depth)} == {
        torch.float64
    }


class Sky:
    """Grey, in front of more of it."""

    def __call__(self, points):
        return grey(points)

    def background(self, points):
        return grey(points[..., :3])


def test_layers_are_drawn_and_rendered_there():
    options = RayMarching(marcher="layered", space="metric", num_coarse=5, num_fine=4)
    origins, directions = pixel_rays(CAMERA, 3)
    for draws in (LayeredDraws.random(origins, options, 0.5), LayeredDraws.deterministic(origins, options)):
        assert device_of(draws.foreground) == device_of(draws.background) == {META}
        out = render_layers(Sky(), origins, directions, options, draws, 0.5)
        assert {getattr(out, name).device for name in ("features", "depth", "weights", "pieces")} == {META}
