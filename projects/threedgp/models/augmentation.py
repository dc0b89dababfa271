"""Adaptive discriminator augmentation that can be differentiated twice (Karras et al. 2020, NeurIPS)."""

import math
from collections.abc import Sequence
from functools import reduce

import torch
from jaxtyping import Bool, Float
from mmagic.registry import MODELS
from mmengine.dist import all_reduce
from torch import Tensor, nn

from ..ranges import Number, Positive, Share, Size
from ..rendering import sample_grid

_SHIFT, _SCALE_STD = 0.125, 0.2
_BRIGHTNESS_STD, _CONTRAST_STD, _SATURATION_STD = 0.2, 0.5, 1.0


def warp_images(
    images: Float[Tensor, "n c h w"], transform: Float[Tensor, "n 3 3"]
) -> Float[Tensor, "n c h w"]:
    """Move images; what lies outside them is their mirror image.

    Args:
        images: Images.
        transform: Where each position (x right, y down, 1) of the result is taken, the outermost pixels being
            at -1 and 1.
    """
    lines = [torch.linspace(-1, 1, side).to(images) for side in images.shape[-2:]]
    y, x = torch.meshgrid(*lines, indexing="ij")
    positions = torch.stack([x, y, torch.ones_like(x)], dim=-1).flatten(0, 1)
    points = (positions @ transform.mT.to(images))[..., :2]
    mirrored = 1 - ((points + 1).remainder(4) - 2).abs()
    return sample_grid(images, mirrored).mT.reshape(images.shape)


def recolor_images(
    images: Float[Tensor, "n c h w"], transform: Float[Tensor, "n 4 4"]
) -> Float[Tensor, "n c h w"]:
    """Change the colours (red, green, blue, 1) of images; further channels stay as they are."""
    transform = transform.to(images)
    rgb = torch.einsum("nij, njhw -> nihw", transform[:, :3, :3], images[:, :3])
    return torch.cat([rgb + transform[:, :3, 3, None, None], images[:, 3:]], dim=1)


def draw_geometry(n: int, p: Float[Tensor, ""], side: int) -> Float[Tensor, "n 3 3"]:
    """Draw transforms for ``warp_images``, each of ADA's with probability p: all of them but mirror images.

    These are quarter turns, shifts by whole pixels, scale, rotation, aspect, rotation, and shifts.

    Args:
        n: Images.
        p: Probability.
        side: Of the images in pixels, outermost pixels being at -1 and 1.
    """
    p_turn = 1 - (1 - p).sqrt()  # one of two rotations happens with probability p
    uniform, normal = (lambda: torch.rand(n, device=p.device)), (lambda: torch.randn(n, device=p.device))
    angle = lambda: math.pi * (2 * uniform() - 1)  # noqa: E731
    pixels = lambda: ((2 * uniform() - 1) * _SHIFT * side).round() * 2 / (side - 1)  # noqa: E731
    size, aspect = (_SCALE_STD * normal()).exp2(), (_SCALE_STD * normal()).exp2()
    steps = [
        (p, _rotation((4 * uniform()).floor() * math.pi / 2)),
        (p, _shift(pixels(), pixels())),
        (p, _scaling(size, size)),
        (p_turn, _rotation(angle())),
        (p, _scaling(aspect, 1 / aspect)),
        (p_turn, _rotation(angle())),
        (p, _shift(2 * _SHIFT * normal(), 2 * _SHIFT * normal())),
    ]
    return reduce(torch.matmul, [_where(uniform() < chance, step) for chance, step in steps])


def draw_colors(n: int, p: Float[Tensor, ""]) -> Float[Tensor, "n 4 4"]:
    """Draw transforms for ``recolor_images``, each of ADA's with probability p.

    These are brightness, contrast, inverted lightness, hue and saturation.
    """
    uniform, normal = (lambda: torch.rand(n, device=p.device)), (lambda: torch.randn(n, device=p.device))
    gray = torch.tensor([1.0, 1.0, 1.0, 0.0], device=p.device) / math.sqrt(3)
    along = torch.outer(gray, gray)  # projection on the axis of grays
    brightness = torch.eye(4, device=p.device).repeat(n, 1, 1)
    brightness[:, :3, 3] = _BRIGHTNESS_STD * normal()[:, None]
    contrast = torch.diag_embed(torch.ones(n, 4, device=p.device))
    contrast[:, :3, :3] *= (_CONTRAST_STD * normal()).exp2()[:, None, None]
    inverted = torch.eye(4, device=p.device) - 2 * along * (uniform() < 0.5)[:, None, None]
    colorful = torch.eye(4, device=p.device) - along
    colorful[3, 3] = 0.0
    saturation = (
        torch.eye(4, device=p.device) + colorful * ((_SATURATION_STD * normal()).exp2() - 1)[:, None, None]
    )
    steps = [saturation, _hue(math.pi * (2 * uniform() - 1)), inverted, contrast, brightness]
    return reduce(torch.matmul, [_where(uniform() < p, step) for step in steps])


def _hue(angle: Float[Tensor, " n"]) -> Float[Tensor, "n 4 4"]:
    """Rotate around the axis of grays (Rodrigues' formula)."""
    cross = torch.tensor([[0.0, -1, 1], [1, 0, -1], [-1, 1, 0]], device=angle.device) / math.sqrt(3)
    sin, cos = angle.sin()[:, None, None], angle.cos()[:, None, None]
    matrix = torch.eye(4, device=angle.device).repeat(len(angle), 1, 1)
    matrix[:, :3, :3] += sin * cross + (1 - cos) * (cross @ cross)
    return matrix


def _rotation(angle: Float[Tensor, " n"]) -> Float[Tensor, "n 3 3"]:
    matrix = _scaling(angle.cos(), angle.cos())
    matrix[:, 0, 1], matrix[:, 1, 0] = -angle.sin(), angle.sin()
    return matrix


def _scaling(x: Float[Tensor, " n"], y: Float[Tensor, " n"]) -> Float[Tensor, "n 3 3"]:
    return torch.diag_embed(torch.stack([x, y, torch.ones_like(x)], dim=-1))


def _shift(x: Float[Tensor, " n"], y: Float[Tensor, " n"]) -> Float[Tensor, "n 3 3"]:
    matrix = _scaling(torch.ones_like(x), torch.ones_like(y))
    matrix[:, 0, 2], matrix[:, 1, 2] = x, y
    return matrix


def _where(chosen: Bool[Tensor, " n"], matrix: Float[Tensor, "n d d"]) -> Float[Tensor, "n d d"]:
    """Return some of the matrices, and the identity for the others."""
    return matrix.where(chosen[:, None, None], torch.eye(matrix.shape[-1], device=matrix.device))


@MODELS.register_module()
class AdaptiveAugmentation(nn.Module):
    """Changes what a discriminator sees, real or not, the more the better it knows its real images.

    Pixels are interpolated linearly, where ADA filters them with a wavelet at twice the resolution. Depth is
    moved as colours are, and keeps its values.

    Args:
        target: Share of real images that are taken for real, less that of the others, which the probability
            is to hold: the mean sign of their logits.
        start: Probability of each transform at the start.
        adapt_kimg: Images, in thousands, in which the probability can go from 0 to 1; None keeps it.
        interval: Steps between two changes.
        geometry: Move images.
        colors: Change their colours.
    """

    probability: Float[Tensor, ""]
    signs: Float[Tensor, " 2"]

    def __init__(
        self,
        target: Number = 0.6,
        start: Share = 0.0,
        adapt_kimg: Positive | None = 500.0,
        interval: Size = 4,
        geometry: bool = True,
        colors: bool = True,
    ) -> None:
        super().__init__()
        for name, value, low in (("target", target, -1), ("start", start, 0)):
            if not low <= value <= 1:
                raise ValueError(f"{name}: got {value}, wanted a number in [{low}, 1]")
        if interval < 1:
            raise ValueError(f"interval: got {interval}, wanted at least 1")
        self.target, self.adapt_kimg, self.interval = target, adapt_kimg, interval
        self.geometry, self.colors = geometry, colors
        self.register_buffer("probability", torch.tensor(float(start)))
        self.register_buffer("signs", torch.zeros(2))

    def schedules(self, kimg: float) -> dict[str, float]:
        """Return the values of the part's schedules by name."""
        return {"augmentation": self.probability.item()}

    def forward(self, images: Sequence[Float[Tensor, "n c _h _w"]]) -> list[Float[Tensor, "n c _h2 _w2"]]:
        """Change images, all that belongs to a sample in the same way.

        Args:
            images: RGB (and depth) images, about [-1, 1], and their raw images where there are such.
        """
        if not self.probability > 0:
            return list(images)
        n, side = len(images[0]), images[0].shape[-1]
        if self.geometry:
            transform = draw_geometry(n, self.probability, side)
            images = [warp_images(x, transform) for x in images]
        if self.colors:
            transform = draw_colors(n, self.probability)
            images = [recolor_images(x, transform) for x in images]
        return list(images)

    @torch.no_grad()
    def adapt(self, mean_sign: Float[Tensor, ""], batch_size: int) -> None:
        """Take note of a step, and now and then move the probability towards what holds the target.

        Args:
            mean_sign: Mean sign of the logits of this process's real images.
            batch_size: Images of the step, over all processes.
        """
        if self.adapt_kimg is None:
            return
        mean_sign = mean_sign.detach().clone()
        all_reduce(mean_sign, op="mean")
        self.signs += torch.stack([mean_sign, torch.ones_like(mean_sign)])
        total, steps = self.signs
        if steps < self.interval:
            return
        step = (total / steps - self.target).sign() * batch_size * steps / (1000 * self.adapt_kimg)
        self.probability.copy_((self.probability + step).clamp(0, 1))
        self.signs.zero_()
