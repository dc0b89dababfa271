"""Where samples lie on rays: jitter, spacing, and the part of a ray that is sampled."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor


def _grid(draws: Tensor) -> Float[Tensor, " k"]:
    return torch.linspace(0, 1, draws.shape[-1], device=draws.device, dtype=draws.dtype)


def _strata(draws: Float[Tensor, "n r k"]) -> Float[Tensor, "n r k"]:
    """Strata end at the midpoints of a linspace (NeRF)."""
    grid = _grid(draws)
    middle = (grid[1:] + grid[:-1]) / 2
    lower, upper = torch.cat([grid[:1], middle]), torch.cat([middle, grid[-1:]])
    return lower + draws * (upper - lower)


def _step(draws: Float[Tensor, "n r k"]) -> Float[Tensor, "n r k"]:
    """Strata are steps of a linspace, so that the last sample may lie beyond 1 (EG3D)."""
    return _grid(draws) + draws / (draws.shape[-1] - 1)


def _centered(draws: Float[Tensor, "n r k"]) -> Float[Tensor, "n r k"]:
    """Strata lie around the points of a linspace, so that samples may leave [0, 1] (VolumeGAN)."""
    return _grid(draws) + (draws - 0.5) / (draws.shape[-1] - 1)


def _none(draws: Float[Tensor, "n r k"]) -> Float[Tensor, "n r k"]:
    """The points of a linspace themselves."""
    return _grid(draws).expand(draws.shape)


JITTERS: dict[str, Callable[[Tensor], Tensor]] = {
    "strata": _strata,
    "step": _step,
    "centered": _centered,
    "none": _none,
}
"""Rules that place one sample in each stratum of [0, 1]; draws are their places in the strata, in [0, 1]."""
SPACINGS = ("linear", "disparity")


@dataclass(frozen=True)
class RaySpan:
    """The sampled part of rays.

    Args:
        near: Where it begins, world units; one number, or one for each ray.
        far: Where it ends, likewise.
        spacing: ``linear``: t = near + s (far - near); ``disparity``: 1 / t is linear in s.
    """

    near: float | Float[Tensor, "n r 1"]
    far: float | Float[Tensor, "n r 1"]
    spacing: str = "linear"

    def at(self, s: Float[Tensor, "n r k"]) -> Float[Tensor, "n r k"]:
        """Map normalised positions s to distances t."""
        if self.spacing == "disparity":
            return 1 / ((1 - s) / self.near + s / self.far)
        return self.near + s * (self.far - self.near)


def box_limits(
    origins: Float[Tensor, "n r 3"], directions: Float[Tensor, "n r 3"], side: float
) -> tuple[Float[Tensor, "n r 1"], Float[Tensor, "n r 1"]]:
    """Return where rays enter and leave the cube of this side around the origin; -1 and -2 without it."""
    low, high = (-side / 2 - origins) / directions, (side / 2 - origins) / directions
    near = torch.minimum(low, high).amax(dim=-1, keepdim=True)
    far = torch.maximum(low, high).amin(dim=-1, keepdim=True)
    hit = far >= near
    return near.where(hit, -1.0), far.where(hit, -2.0)


def box_span(
    origins: Float[Tensor, "n r 3"], directions: Float[Tensor, "n r 3"], side: float, spacing: str = "linear"
) -> RaySpan:
    """Return the part of rays in the cube of this side around the origin.

    A ray that misses it takes the smallest near and the largest *near* of the rays of the call that hit, as
    EG3D has it.
    """
    near, far = box_limits(origins, directions, side)
    hit = far > near
    if not hit.any():
        raise ValueError(f"ray_box: got a cube of side {side} that no ray of the call meets, wanted one")
    hits = near[hit]
    return RaySpan(torch.where(hit, near, hits.min()), torch.where(hit, far, hits.max()), spacing)
