"""What lies outside the unit sphere, in finite coordinates (NeRF++, Zhang et al. 2020, section 4)."""

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor


def inverse_sphere_points(
    origins: Float[Tensor, "n r 3"], directions: Float[Tensor, "n r 3"], inverse: Float[Tensor, "n r k"]
) -> Float[Tensor, "n r k 4"]:
    """Return the points of rays at these inverse distances from the world's origin.

    A ray leaves the sphere at a point; its points beyond have the direction of that one, turned about the
    normal of the plane in which the ray and the origin lie.

    Args:
        origins: Ray origins, within the sphere or on it.
        directions: Unit ray directions.
        inverse: Inverse distances, in [0, 1].

    Returns:
        Unit direction from the origin, and the inverse distance.
    """
    along = (origins * directions).sum(dim=-1, keepdim=True)
    nearest = (origins - along * directions).norm(dim=-1, keepdim=True).clamp(max=1 - 1e-6)
    leaving = origins + ((1 - nearest.square()).sqrt() - along) * directions
    axis = F.normalize(torch.cross(origins, directions, dim=-1), dim=-1)[:, :, None]
    angle = (nearest.asin() - (nearest * inverse).asin())[..., None]
    turned = _rotate(leaving[:, :, None], axis, angle)
    return torch.cat([F.normalize(turned, dim=-1), inverse[..., None]], dim=-1)


def _rotate(
    vector: Float[Tensor, "n r 1 3"], axis: Float[Tensor, "n r 1 3"], angle: Float[Tensor, "n r k 1"]
) -> Float[Tensor, "n r k 3"]:
    """Turn vectors about unit axes (Rodrigues)."""
    across = torch.cross(axis, vector, dim=-1)
    share = (axis * vector).sum(dim=-1, keepdim=True) * (1 - angle.cos())
    return vector * angle.cos() + across * angle.sin() + axis * share
