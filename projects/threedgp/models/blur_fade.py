"""Blur of what the discriminator sees, which fades at the start of training (docs/method.md, section 9)."""

import torch
import torch.nn.functional as F
from jaxtyping import Float
from mmagic.registry import MODELS
from torch import Tensor

from ..ranges import NonNegative, Positive
from ..schedules import Linear

_RAW = ("both", "real", "none")


def gaussian_blur(
    images: Float[Tensor, "n c h w"], sigma: float, half_width: int
) -> Float[Tensor, "n c h w"]:
    """Blur with the separable kernel 2^-(i / sigma)^2, |i| <= half_width, and zero padding."""
    if half_width == 0:
        return images
    channels = images.shape[1]
    offsets = torch.arange(-half_width, half_width + 1, device=images.device, dtype=images.dtype)
    kernel = torch.exp2(-((offsets / sigma) ** 2))
    kernel = (kernel / kernel.sum()).expand(channels, 1, -1)
    x = F.conv2d(images, kernel[:, :, None, :], padding=(0, half_width), groups=channels)
    return F.conv2d(x, kernel[:, :, :, None], padding=(half_width, 0), groups=channels)


@MODELS.register_module()
class BlurFade:
    """Gaussian blur of the discriminator's inputs whose width falls to 0.

    Args:
        init_sigma: Width at the start, pixels.
        fade_kimg: Length of the fade.
        depth_sigma: Width of a further blur of the depth channel, on the same support.
        raw: Which raw images of a dual discriminator are blurred as well, by as many of their own pixels:
            ``both``, those of ``real`` images only (EG3D's release), or ``none``.
    """

    def __init__(
        self,
        init_sigma: NonNegative = 10.0,
        fade_kimg: NonNegative = 200.0,
        depth_sigma: Positive = 30.0,
        raw: str = "both",
    ) -> None:
        if raw not in _RAW:
            raise ValueError(f"raw: got {raw!r}, wanted one of {_RAW}")
        self.sigma = Linear(init_sigma, 0.0, fade_kimg)
        self.depth_sigma, self.raw = depth_sigma, raw

    def __call__(self, images: Float[Tensor, "n c h w"], kimg: float) -> Float[Tensor, "n c h w"]:
        """Blur RGB or RGB-depth images as at ``kimg``."""
        sigma = self.sigma(kimg)
        half_width = int(3 * sigma)
        if half_width == 0:
            return images
        blurred = gaussian_blur(images, sigma, half_width)
        if images.shape[1] == 3:
            return blurred
        depth = gaussian_blur(blurred[:, 3:], self.depth_sigma, half_width)
        return torch.cat([blurred[:, :3], depth], dim=1)

    def schedules(self, kimg: float) -> dict[str, float]:
        """Return the values of the part's schedules by name."""
        return {"blur_sigma": self.sigma(kimg)}
