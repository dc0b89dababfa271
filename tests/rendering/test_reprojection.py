"""projects/threedgp/rendering/reprojection.py"""

import math

import pytest
import torch

from projects.threedgp.models.cameras.camera_prior import CameraPrior
from projects.threedgp.rendering import Camera, patch_positions, pixel_rays, project, unproject, warp
from projects.threedgp.rendering.patches import Patch
from projects.threedgp.rendering.reprojection import look_up
from tests.tiny import frontal_camera
from tests.view_scenes import PLANE, SPHERE


@pytest.fixture
def cameras():
    return CameraPrior().sample(20)


def test_points_on_pixel_rays_are_projected_onto_the_pixel_grid(cameras):
    origins, directions = pixel_rays(cameras, 7)
    distances = torch.rand(20, 49, 1) + 0.5
    positions, ahead = project(origins + distances * directions, cameras)
    grid = patch_positions(Patch.full(20), 7).flatten(1, 2)
    torch.testing.assert_close(positions, grid, atol=1e-5, rtol=0)
    middle = 24
    torch.testing.assert_close(ahead[:, middle], distances[:, middle, 0])


def test_points_behind_a_camera_are_not_ahead(cameras):
    origins, directions = pixel_rays(cameras, 3)
    _, ahead = project(origins - directions, cameras)
    assert (ahead < 0).all()


def test_unprojected_points_lie_at_their_depth(cameras):
    depth = torch.rand(20, 1, 5, 5) + 0.5
    origins, _ = pixel_rays(cameras, 5)
    points = unproject(depth, cameras)
    torch.testing.assert_close((points - origins).norm(dim=-1), depth.flatten(1))


@pytest.mark.parametrize("pixels", ["border", "center"])
def test_looking_up_pixel_centres_gives_the_pixels(pixels):
    images = torch.rand(2, 3, 5, 5)
    found = look_up(images, patch_positions(Patch.full(2), 5, pixels).flatten(1, 2), pixels)
    torch.testing.assert_close(found, images.flatten(2))


def test_up_is_up_and_between_pixels_is_the_mean():
    image = torch.arange(9.0).reshape(1, 1, 3, 3)
    found = look_up(image, torch.tensor([[[-1.0, 1.0], [1.0, 1.0], [-1.0, -1.0], [0.5, 0.0]]]))
    torch.testing.assert_close(found[0, 0], torch.tensor([0.0, 2.0, 6.0, 4.5]))


@pytest.mark.parametrize("scene", [PLANE, SPHERE], ids=["plane", "sphere"])
def test_a_surface_warps_to_what_the_other_camera_sees(scene):
    first, second = (frontal_camera(yaw=yaw, fov_deg=30.0) for yaw in (-0.15, 0.15))
    (rgb, depth), (other_rgb, other_depth) = scene(first, 65), scene(second, 65)
    warped, visible = warp(other_rgb, other_depth, second, depth, first, depth_tolerance=0.01)
    surface = visible & (depth < 1.2)
    assert surface.float().mean() > 0.3
    error = (warped - rgb).abs().mean(dim=1, keepdim=True)[surface]
    # Bilinear interpolation misses at most h^2 / 8 times the second derivatives, and more at the silhouette.
    assert error.median() < 2e-3 and error.quantile(0.95) < 5e-3
    unwarped = (other_rgb - rgb).abs().mean(dim=1, keepdim=True)[surface]
    assert error.mean() < unwarped.mean() / 25


@pytest.mark.parametrize("pixels", ["border", "center"])
def test_a_view_warps_onto_itself(cameras, pixels):
    images, depth = torch.rand(20, 3, 6, 6), torch.rand(20, 1, 6, 6) + 0.5
    warped, visible = warp(images, depth, cameras, depth, cameras, 1e-3, pixels)
    assert visible.all()
    torch.testing.assert_close(warped, images, atol=1e-3, rtol=0)
    points = unproject(depth, cameras, pixels)
    origins, directions = cameras.rays(6, pixels=pixels)
    torch.testing.assert_close(points, origins + depth.flatten(1)[..., None] * directions)


def test_wrong_depth_warps_wrongly():
    first, second = (frontal_camera(yaw=yaw, fov_deg=30.0) for yaw in (-0.15, 0.15))
    (rgb, depth), (other_rgb, other_depth) = SPHERE(first, 65), SPHERE(second, 65)
    errors = []
    for offset in (0.0, 0.1):
        warped, visible = warp(other_rgb, other_depth, second, depth + offset, first, depth_tolerance=1.0)
        seen = (visible & (depth < 1.2)).expand_as(rgb)
        errors.append((warped - rgb).abs()[seen].mean())
    assert errors[1] > 5 * errors[0]


def test_points_outside_the_picture_are_not_visible():
    """A camera of twice the focal length sees the middle half of each row and column."""
    wide = frontal_camera(fov_deg=40.0)
    narrow = frontal_camera(fov_deg=math.degrees(2 * math.atan(math.tan(math.radians(20)) / 2)))
    (_, depth), (rgb, narrow_depth) = PLANE(wide, 9), PLANE(narrow, 9)
    _, visible = warp(rgb, narrow_depth, narrow, depth, wide, depth_tolerance=0.05)
    expected = torch.zeros(9, 9, dtype=torch.bool)
    expected[2:7, 2:7] = True
    assert torch.equal(visible[0, 0], expected)


def test_hidden_points_are_not_visible():
    """Something stands 0.1 before the left half of what the second camera sees."""
    camera = frontal_camera()
    rgb, depth = PLANE(camera, 8)
    hidden = depth.clone()
    hidden[..., :4] -= 0.1
    _, visible = warp(rgb, hidden, camera, depth, camera, depth_tolerance=0.05)
    assert visible[..., 4:].all() and not visible[..., :4].any()
    _, visible = warp(rgb, hidden, camera, depth, camera, depth_tolerance=0.2)
    assert visible.all()


def test_points_behind_the_camera_are_not_visible():
    """Nor is the one on the axis, which is not beside the picture."""
    camera, opposite = frontal_camera(), frontal_camera(yaw=math.pi)
    depth = torch.full((1, 1, 5, 5), 2.5)
    image = torch.zeros(1, 3, 5, 5)
    arguments = (image, torch.full_like(depth, 0.5), opposite, depth, camera)
    _, visible = warp(*arguments, depth_tolerance=10.0)
    assert not visible.any()


def test_each_camera_of_a_batch_has_its_own_picture():
    cameras = Camera(torch.cat([frontal_camera(yaw=yaw).params for yaw in (0.0, 0.4)]))
    rgb, depth = PLANE(cameras, 9)
    warped, visible = warp(rgb, depth, cameras, depth, cameras, depth_tolerance=0.01)
    assert visible.all()
    torch.testing.assert_close(warped, rgb, atol=1e-4, rtol=0)
