"""NeRF-path regulariser: an upsampler shall do to pixels what it would do to points (Gu et al. 2022)."""

from collections.abc import Mapping
from typing import Any

import torch
from jaxtyping import Float, Int
from mmagic.registry import MODELS
from torch import Tensor

from ...ranges import NonNegative, Size
from ...rendering import Patch, Viewpoint
from ..sampling import PathDraws, Sampling
from ..scene import Scene, Views


def pixel_grid(
    draws: Float[Tensor, "n 2"], image_size: int, count: int
) -> tuple[Patch, Int[Tensor, "n rows 1"], Int[Tensor, "n 1 columns"]]:
    """Place grids of ``count`` x ``count`` pixels on an image.

    Args:
        draws: Offset of each grid in x and y, as fractions of its step.
        image_size: Side of the image in pixels.
        count: Pixels of a grid along a side.

    Returns:
        The patch (of pixel centres) that has the same pixels, and their rows and columns.
    """
    step = image_size // count
    offset = (draws * step).floor()
    scale = step * count / image_size
    shift = (2 * offset + 1 - step) / (2 * image_size)
    offsets = torch.stack([shift[:, 0], 1 - scale - shift[:, 1]], dim=1)
    columns, rows = (offset[:, i, None].long() + step * torch.arange(count).to(offset).long() for i in (0, 1))
    return Patch(torch.full_like(draws, scale), offsets), rows[:, :, None], columns[:, None, :]


@MODELS.register_module()
class NeRFPathRegularizer:
    """Compares pixels of an image with points of the same rays, upsampled one by one and then composited.

    Args:
        num_samples: Pixels along a side of the grid that is compared.
        weight: Factor on the loss.
    """

    name = "nerf_path"

    def __init__(self, num_samples: Size = 16, weight: NonNegative = 2.0) -> None:
        if num_samples < 1:
            raise ValueError(f"num_samples: got {num_samples}, wanted at least 1")
        self.num_samples, self.weight = num_samples, weight

    def __call__(
        self, scene: Scene, views: Views, patch: Patch | None, sampling: Sampling
    ) -> Mapping[str, Float[Tensor, " n"]]:
        """Return the loss per sample; nothing while images are as they are rendered.

        Args:
            scene: The scene.
            views: What was rendered of it.
            patch: Parts of the image plane that were rendered; None for all of it.
            sampling: How that was sampled.
        """
        upsampler, side = scene.upsampler, views.rgb.shape[-1]
        if upsampler is None or side == views.depth.shape[-1]:
            return {}
        if not hasattr(upsampler, "without_upsampling"):
            kind = type(upsampler).__name__
            raise ValueError(
                f"upsampler: got {kind}, which has no pass without upsampling, wanted one for nerf_path"
            )
        count = min(self.num_samples, side)
        draws = sampling.path_draws or PathDraws(torch.rand(len(scene), 2).to(views.rgb))
        grid, rows, columns = pixel_grid(draws.pixels, side, count)
        if patch is not None:
            grid = Patch(grid.scales * patch.scales, patch.offsets + grid.offsets * patch.scales)
        composited = self.composited(scene, views.camera, count, grid, sampling, draws)
        index = torch.arange(len(scene), device=rows.device)[:, None, None]
        pixels = views.rgb[index, :, rows, columns].permute(0, 3, 1, 2)
        distance = (pixels - composited).square().sum(dim=1).mean(dim=(1, 2))
        return {self.name: self.weight * distance}

    def composited(
        self,
        scene: Scene,
        camera: Viewpoint,
        count: int,
        grid: Patch,
        sampling: Sampling,
        draws: PathDraws,
    ) -> Float[Tensor, "n 3 k k"]:
        """Return what the points on the rays of a grid add up to, when each was upsampled alone."""
        renderer, marching = scene.renderer, sampling.marching or scene.renderer.marching
        rays = renderer.rays(camera, count, grid)
        drawn = renderer.draw(rays[0], marching, sampling) if draws.rays is None else draws.rays
        out = renderer.trace(scene.radiance, *rays, marching, drawn)
        resolution = sampling.resolution or scene.image_size
        upsampler: Any = scene.upsampler
        colours = upsampler.without_upsampling(
            out.pieces.movedim(-1, 1), scene.upsampler_ws, resolution, sampling
        )
        return (colours * out.weights[:, None]).sum(dim=-1).unflatten(-1, (count, count))
