"""Differentiable augmentation of what the discriminator sees (Zhao et al. 2020)."""

from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from jaxtyping import Float
from mmagic.registry import MODELS
from torch import Tensor, nn

Images = Float[Tensor, "n c h w"]


def shift_colors(images: Images) -> Images:
    """Change brightness by up to 1/2, saturation by up to its double, contrast by 1/2 to 3/2.

    Args:
        images: RGB in [-1, 1]; further channels, such as depth, stay as they are.
    """
    rgb, rest = images[:, :3], images[:, 3:]
    brightness, saturation, contrast = torch.rand(3, len(rgb), 1, 1, 1, device=rgb.device).to(rgb)
    rgb = rgb + brightness - 0.5
    gray = rgb.mean(dim=1, keepdim=True)
    rgb = gray + (rgb - gray) * 2 * saturation
    mean = rgb.mean(dim=(1, 2, 3), keepdim=True)
    return torch.cat([mean + (rgb - mean) * (contrast + 0.5), rest], dim=1)


def translate(images: Images, share: float = 0.125) -> Images:
    """Shift by up to a share of the side in each direction; zeros come in."""
    n, side = len(images), images.shape[-1]
    most = int(side * share + 0.5)
    dx, dy = torch.randint(-most, most + 1, (2, n, 1), device=images.device)
    steps = torch.arange(side, device=images.device)
    rows, columns = (steps + dy + most)[:, :, None], (steps + dx + most)[:, None, :]
    padded = F.pad(images, (most, most, most, most))
    batch = torch.arange(n, device=images.device)[:, None, None]
    return padded.permute(0, 2, 3, 1)[batch, rows, columns].permute(0, 3, 1, 2)


def cut_out(images: Images, share: float = 0.5) -> Images:
    """Set a square to zero whose side is a share of the image's, and whose middle is anywhere."""
    n, side = len(images), images.shape[-1]
    size = int(side * share + 0.5)
    steps = torch.arange(side, device=images.device)
    middles = torch.randint(0, side + 1 - size % 2, (2, n, 1), device=images.device)
    inside = (steps >= middles - size // 2) & (steps < middles - size // 2 + size)
    hole = inside[0][:, None, :, None] & inside[1][:, None, None, :]
    return images * ~hole


POLICIES: dict[str, Callable[[Images], Images]] = {
    "color": shift_colors,
    "translation": translate,
    "cutout": cut_out,
}


@MODELS.register_module()
class DiffAugment(nn.Module):
    """Random changes of real and generated images alike, through which gradients reach the generator.

    Args:
        policies: Names out of ``POLICIES``, in the order in which they are applied.

    Raises:
        ValueError: If there is no such policy.
    """

    def __init__(self, policies: Sequence[str] = ("color", "translation", "cutout")) -> None:
        super().__init__()
        if isinstance(policies, str) or not set(policies) <= set(POLICIES):
            raise ValueError(f"policies: got {policies!r}, wanted a list out of {list(POLICIES)}")
        self.policies = tuple(policies)

    def forward(self, images: Images) -> Images:
        """Change images, each in its own way.

        Args:
            images: Squares, RGB (and depth) in [-1, 1].
        """
        for name in self.policies:
            images = POLICIES[name](images)
        return images
