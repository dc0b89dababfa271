"""Look-up in feature grids, by gathers: it can be differentiated twice, which ``grid_sample`` cannot."""

from itertools import product

import torch
from jaxtyping import Float
from torch import Tensor


def sample_grid(grid: Float[Tensor, "n c *sizes"], points: Float[Tensor, "n m d"]) -> Float[Tensor, "n m c"]:
    """Interpolate linearly between the cells of a plane (d = 2) or volume (d = 3).

    Args:
        grid: Features. The first coordinate of a point runs along the last axis, and so on.
        points: Positions; -1 and 1 are the centres of the outermost cells, beyond which these go on.
    """
    sizes = torch.tensor(grid.shape[:1:-1], device=points.device)
    strides = torch.cat([torch.ones_like(sizes[:1]), sizes[:-1].cumprod(dim=0)])
    cells = grid.flatten(2).mT
    place = (points + 1) / 2 * (sizes - 1)
    low = place.detach().floor()
    upper = place - low
    total = torch.zeros((), dtype=grid.dtype, device=grid.device)
    for corner in product((0, 1), repeat=points.shape[-1]):
        offset = torch.tensor(corner, device=points.device)
        position = torch.minimum((low.long() + offset).clamp(min=0), sizes - 1)
        cell = (position * strides).sum(dim=-1, keepdim=True)
        share = torch.where(offset == 1, upper, 1 - upper).prod(dim=-1, keepdim=True)
        total = total + share * cells.gather(1, cell.expand(-1, -1, cells.shape[-1]))
    return total
