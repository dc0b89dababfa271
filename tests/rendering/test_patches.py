"""projects/threedgp/rendering/patches.py"""

import math

import torch
import torch.nn.functional as F

from projects.threedgp.rendering import (
    Patch,
    RayDraws,
    RayMarching,
    extract_patches,
    patch_positions,
    pixel_rays,
    render_rays,
)
from tests.tiny import frontal_camera, solid


def random_patch(n):
    scales = (0.3 + 0.7 * torch.rand(n, 1)).expand(-1, 2)
    return Patch(scales.clone(), torch.rand(n, 2) * (1 - scales))


def test_whole_image_is_its_own_patch():
    images = torch.rand(2, 3, 8, 8)
    torch.testing.assert_close(extract_patches(images, Patch.full(2), 8), images)


def test_offset_is_the_lower_left_corner():
    images = torch.rand(1, 1, 9, 9)
    patch = Patch(torch.full((1, 2), 0.5), torch.tensor([[0.5, 0.0]]))
    torch.testing.assert_close(extract_patches(images, patch, 5), images[:, :, 4:, 4:])


def test_positions_stay_inside_the_image():
    positions = patch_positions(random_patch(50), 7)
    assert positions.abs().max() <= 1 + 1e-6


def test_positions_run_right_and_up():
    positions = patch_positions(Patch.full(1), 3)[0]
    torch.testing.assert_close(positions[0, 0], torch.tensor([-1.0, 1.0]))
    torch.testing.assert_close(positions[2, 1], torch.tensor([0.0, -1.0]))


def test_extracting_a_patch_is_rendering_with_its_rays():
    """An image projected on a wall, as a slide is, looks the same either way."""
    images = F.interpolate(torch.rand(3, 3, 4, 4), size=(32, 32), mode="bicubic")
    camera, patch = frontal_camera(3, fov_deg=30.0), random_patch(3)
    half_width = math.tan(math.radians(30.0) / 2)

    def colour(points):
        slide = points[..., :2] / (1 - points[..., 2:]) / half_width
        look_up = (slide * torch.tensor([1.0, -1.0]))[:, None]
        return F.grid_sample(images, look_up, align_corners=True).squeeze(2).mT

    options = RayMarching(num_coarse=16, num_fine=16)
    origins, directions = pixel_rays(camera, 12, patch)
    draws = RayDraws.deterministic(origins, options)
    wall = solid(lambda points: points[..., 2] < 0.05, colour)
    rendered = render_rays(wall, origins, directions, options, draws).features
    torch.testing.assert_close(
        rendered.mT.reshape(3, 3, 12, 12), extract_patches(images, patch, 12), atol=1e-4, rtol=0
    )


def test_what_the_discriminator_is_told():
    patch = Patch(torch.full((1, 2), 0.5), torch.tensor([[0.1, 0.2]]))
    torch.testing.assert_close(patch.params, torch.tensor([[0.5, 0.1, 0.2]]))
