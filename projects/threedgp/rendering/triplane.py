"""Feature look-up in three axis-aligned planes (docs/method.md, section 4)."""

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor


def sample_planes(
    planes: Float[Tensor, "n planes_x_f p p"],
    points: Float[Tensor, "n m 3"],
    cube_scale: float = 0.5,
) -> Float[Tensor, "n 3 m f"]:
    """Look points up in the xy, xz and yz planes.

    Args:
        planes: Plane-major features: the f channels of xy, then of xz, then of yz. The first named
            coordinate runs along the width, the second along the height.
        points: World points.
        cube_scale: Half the side of the cube that the planes cover; features are 0 outside.

    Returns:
        Bilinear features (corners aligned), one set for each plane.
    """
    n, channels, resolution = planes.shape[0], planes.shape[1], planes.shape[-1]
    features = channels // 3
    unit = points / cube_scale
    coordinates = torch.stack([unit[..., [0, 1]], unit[..., [0, 2]], unit[..., [1, 2]]], dim=1)
    sampled = F.grid_sample(
        planes.reshape(n * 3, features, resolution, resolution),
        coordinates.reshape(n * 3, 1, -1, 2),
        mode="bilinear",
        padding_mode="zeros",
        align_corners=True,
    )
    return sampled.reshape(n, 3, features, -1).transpose(2, 3)
