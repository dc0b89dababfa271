"""Volume renderer: rays through a field, in chunks where memory would not do (docs/method.md, section 5)."""

from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from mmagic.registry import MODELS
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from ..ranges import NonNegativeSchedule, Size
from ..rendering import Field, Patch, RayDraws, RayMarching, RenderOutput, Viewpoint, render_rays
from ..rendering.patches import PIXELS
from ..schedules import Linear, build_schedule
from .sampling import Sampling

_CPU_CHUNK = 2**11


@MODELS.register_module()
class VolumeRenderer(nn.Module):
    """Renders rays; has no weights.

    Args:
        density_noise: Standard deviation of the noise on raw densities in training, number or schedule.
        rays_per_chunk: Most rays rendered at a time without gradients, which bounds the memory. A CPU takes
            no more than stay in its cache.
        rays_per_block: The same with gradients: the backward pass renders each block again. That takes about
            half as much time for rays more, and memory does not grow with the samples any more. None keeps
            all samples.
        pixels: Where the outermost rays meet the image, see ``patch_positions``.
        **marching: Fields of ``RayMarching``: near and far plane, numbers of samples, marcher.
    """

    def __init__(
        self,
        density_noise: NonNegativeSchedule = Linear(1.0, 0.0, over_kimg=5000),
        rays_per_chunk: Size = 2**14,
        rays_per_block: Size | None = None,
        pixels: str = "border",
        **marching: Any,
    ) -> None:
        super().__init__()
        self.marching = RayMarching(**marching)
        self.density_noise = build_schedule(density_noise)
        if pixels not in PIXELS:
            raise ValueError(f"pixels: got {pixels!r}, wanted one of {PIXELS}")
        if rays_per_block is not None and self.marching.needs_whole_call:
            raise ValueError(
                f"rays_per_block: got {rays_per_block} with cut_quantile, ray_box or depth='mean': rays "
                "depend on each other then, wanted None"
            )
        self.rays_per_chunk, self.rays_per_block, self.pixels = rays_per_chunk, rays_per_block, pixels

    def schedules(self, kimg: float) -> dict[str, float]:
        """Return the values of the part's schedules by name."""
        return dict(density_noise=self.density_noise(kimg))

    def density(self, raw: Float[Tensor, "n m 1"]) -> Float[Tensor, "n m 1"]:
        """Turn a field's raw densities into densities, per world unit."""
        return self.marching.activate(self.marching.rule.density_input(raw))

    def rays(
        self, camera: Viewpoint, side: int, patch: Patch | None = None
    ) -> tuple[Float[Tensor, "n r 3"], Float[Tensor, "n r 3"]]:
        """Return the rays of an image or patch of ``side`` pixels: origins and unit directions."""
        return camera.rays(side, patch, self.pixels)

    def forward(
        self,
        field: Field,
        origins: Float[Tensor, "n r 3"],
        directions: Float[Tensor, "n r 3"],
        sampling: Sampling = Sampling(),
    ) -> tuple[Float[Tensor, "n r c"], Float[Tensor, "n r 1"]]:
        """Render rays.

        Args:
            field: Features and raw densities of world points.
            origins: Ray origins.
            directions: Unit ray directions.
            sampling: How to sample.

        Returns:
            Composited features and depth, world units.
        """
        n, rays = origins.shape[:2]
        marching, size = sampling.marching or self.marching, rays
        if torch.is_grad_enabled() and self.rays_per_block is not None:
            return self._in_blocks(field, origins, directions, marching, sampling)
        if not torch.is_grad_enabled():
            on_cpu = origins.device.type == "cpu"
            most = min(self.rays_per_chunk, _CPU_CHUNK) if on_cpu else self.rays_per_chunk
            size = max(most // n, 1)
            if marching.needs_whole_call:
                # Only the look-up of points is done in chunks.
                field, size = InChunks(field, size * (marching.num_coarse + marching.num_fine)), rays
        parts = []
        for start in range(0, rays, size):
            chunk = slice(start, start + size)
            part = origins[:, chunk], directions[:, chunk]
            draws = (
                self.draw(part[0], marching, sampling) if sampling.draws is None else sampling.draws[chunk]
            )
            out = self.trace(field, *part, marching, draws)
            parts.append((out.features, out.depth))
        features, depth = (torch.cat(part, dim=1) for part in zip(*parts, strict=True))
        return features, depth

    def _in_blocks(
        self, field: Field, origins: Tensor, directions: Tensor, marching: RayMarching, sampling: Sampling
    ) -> tuple[Tensor, Tensor]:
        """Render block by block and keep the results only; all is drawn before, as without blocks."""
        draws = self.draw(origins, marching, sampling) if sampling.draws is None else sampling.draws

        def render(block: slice) -> tuple[Tensor, Tensor]:
            out = self.trace(field, origins[:, block], directions[:, block], marching, draws[block])
            return out.features, out.depth

        size = max((self.rays_per_block or 1) // len(origins), 1)
        blocks = [slice(start, start + size) for start in range(0, origins.shape[1], size)]
        parts = [checkpoint(render, b, use_reentrant=False, preserve_rng_state=False) for b in blocks]
        features, depth = (torch.cat(part, dim=1) for part in zip(*parts, strict=True))
        return features, depth

    def trace(
        self,
        field: Field,
        origins: Float[Tensor, "n r 3"],
        directions: Float[Tensor, "n r 3"],
        marching: RayMarching,
        draws: Any,
    ) -> RenderOutput:
        """Render rays, all at once, with these random numbers."""
        return render_rays(field, origins, directions, marching, draws)

    def draw(self, origins: Float[Tensor, "n r 3"], marching: RayMarching, sampling: Sampling) -> Any:
        """Return the random numbers of these rays, as ``trace`` takes them."""
        if sampling.deterministic:
            return RayDraws.deterministic(origins, marching)
        noise = 0.0 if sampling.kimg is None else self.density_noise(sampling.kimg)
        return RayDraws.random(origins, marching, noise)


@dataclass(frozen=True)
class InChunks:
    """The same field, asked for at most so many points of a sample at a time.

    Args:
        field: The field.
        points_per_chunk: Points of a sample.
    """

    field: Field
    points_per_chunk: int

    def __call__(self, points: Float[Tensor, "n m d"]) -> tuple[Tensor, Tensor]:
        """Return features and raw densities of points."""
        parts = [self.field(part) for part in points.split(self.points_per_chunk, dim=1)]
        features, sigma = (torch.cat(part, dim=1) for part in zip(*parts, strict=True))
        return features, sigma

    @property
    def background(self) -> "InChunks | None":
        """What the field says of the outside of the unit sphere, likewise."""
        behind = getattr(self.field, "background", None)
        return None if behind is None else InChunks(behind, self.points_per_chunk)
