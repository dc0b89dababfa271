"""projects/threedgp/models/blur_fade.py"""

import pytest
import torch
import torch.nn.functional as F

from projects.threedgp.models.blur_fade import BlurFade, gaussian_blur


@pytest.mark.parametrize("sigma", [0.5, 2.0])
def test_constants_stay_constant_inside(sigma):
    half_width = int(3 * sigma)
    blurred = gaussian_blur(torch.ones(1, 3, 24, 24), sigma, half_width)
    inside = blurred[..., half_width:-half_width, half_width:-half_width]
    torch.testing.assert_close(inside, torch.ones_like(inside))


def test_kernel_is_two_to_the_minus_square():
    sigma, half_width = 1.5, 4
    impulse = torch.zeros(1, 1, 9, 9)
    impulse[..., 4, 4] = 1.0
    line = 2.0 ** -((torch.arange(-4.0, 5.0) / sigma) ** 2)
    kernel = line[:, None] * line
    torch.testing.assert_close(gaussian_blur(impulse, sigma, half_width)[0, 0], kernel / kernel.sum())


def test_separable_blur_is_one_convolution():
    images, line = torch.randn(2, 1, 12, 12), 2.0 ** -((torch.arange(-3.0, 4.0) / 1.0) ** 2)
    kernel = (line[:, None] * line / line.sum() ** 2)[None, None]
    torch.testing.assert_close(
        gaussian_blur(images, 1.0, 3), F.conv2d(images, kernel, padding=3), atol=1e-6, rtol=1e-5
    )


def test_blur_fades_to_nothing():
    images, fade = torch.randn(1, 4, 16, 16), BlurFade(init_sigma=2.0, fade_kimg=200)
    sharpness = [(fade(images, kimg) - images).norm().item() for kimg in (0, 100, 150, 200, 1000)]
    assert sharpness == sorted(sharpness, reverse=True)
    assert torch.equal(fade(images, 200), images) and torch.equal(fade(images, 1e6), images)


def test_depth_is_blurred_once_more():
    images, fade = torch.randn(1, 4, 16, 16), BlurFade(init_sigma=1.0, depth_sigma=30.0)
    blurred = fade(images, 0)
    once = gaussian_blur(images, 1.0, 3)
    torch.testing.assert_close(blurred[:, :3], once[:, :3])
    torch.testing.assert_close(blurred[:, 3:], gaussian_blur(once[:, 3:], 30.0, 3))


def test_images_without_depth():
    images, fade = torch.randn(1, 4, 16, 16), BlurFade(init_sigma=1.0)
    torch.testing.assert_close(fade(images[:, :3], 0), fade(images, 0)[:, :3])
