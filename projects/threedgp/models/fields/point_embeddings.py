"""What a field knows of a point besides its coordinates: features of a volume, of planes, or nothing."""

from collections.abc import Callable
from typing import Protocol

import torch
from jaxtyping import Float
from torch import Tensor, nn

from ...rendering import sample_grid
from .feature_volume import FeatureVolume
from .triplane_decoder import TriPlaneDecoder

_PLANE_CHANNELS = 32768


class PointEmbedding(Protocol):
    """Decodes a style code to features that points look up."""

    out_channels: int
    """Features of a point."""

    def __call__(self, w: Float[Tensor, "n d"], noise_mode: str) -> Float[Tensor, "n ..."]:
        """Return what points are looked up in."""

    def look_up(
        self, content: Float[Tensor, "n ..."], points: Float[Tensor, "n m 3"]
    ) -> Float[Tensor, "n m f"]:
        """Return the features of points in [-1, 1]^3."""


class FeaturePlanes(nn.Module):
    """Three feature planes of StyleGAN2, looked up as a ``FeatureVolume`` is; all layers have the same style.

    Args:
        w_dim: Width of a style code.
        resolution: Side of the planes, a power of two.
        feature_dim: Features of each plane.
        max_channels: Most channels of a block.
    """

    def __init__(self, w_dim: int, resolution: int, feature_dim: int, max_channels: int) -> None:
        super().__init__()
        self.decoder = TriPlaneDecoder(resolution, feature_dim, w_dim, _PLANE_CHANNELS, max_channels)
        self.out_channels = feature_dim

    def forward(self, w: Float[Tensor, "n d"], noise_mode: str = "random") -> Float[Tensor, "n c p p"]:
        """Decode style codes to the planes xy, xz, yz."""
        return self.decoder(w[:, None].expand(-1, self.decoder.num_ws, -1), noise_mode)

    def look_up(
        self, planes: Float[Tensor, "n c p p"], points: Float[Tensor, "n m 3"]
    ) -> Float[Tensor, "n m f"]:
        """Return the mean of the three planes' features."""
        axes = ((0, 1), (0, 2), (1, 2))
        parts = zip(planes.chunk(3, dim=1), axes, strict=True)
        return torch.stack([sample_grid(plane, points[..., pair]) for plane, pair in parts]).mean(dim=0)


class NoFeatures(nn.Module):
    """Points are their coordinates: an MLP of position and style alone, as in pi-GAN."""

    out_channels = 0

    def __init__(self, **_sizes: int) -> None:
        super().__init__()

    def forward(self, w: Float[Tensor, "n d"], noise_mode: str = "random") -> Float[Tensor, "n 0"]:
        """Return nothing."""
        return w[:, :0]

    def look_up(
        self, nothing: Float[Tensor, "n 0"], points: Float[Tensor, "n m 3"]
    ) -> Float[Tensor, "n m 0"]:
        """Return nothing for each point."""
        return points[..., :0]


POINT_EMBEDDINGS: dict[str, Callable[..., PointEmbedding]] = {
    "volume": FeatureVolume,
    "triplane": FeaturePlanes,
    "coordinate": NoFeatures,
}
"""The point embeddings by name; each is made of ``w_dim, resolution, feature_dim, max_channels``."""
