"""VolumeGAN's field: a feature volume, and an MLP of features, coordinates and styles (Xu et al. 2022)."""

import operator
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import torch
from jaxtyping import Float
from mmagic.registry import MODELS
from torch import Tensor, nn

from ...layers import EqualizedLinear, ModulatedLinear, octaves
from ...ranges import Count, Size
from .point_embeddings import POINT_EMBEDDINGS, PointEmbedding

BOX = ((-0.1886, -0.1671, -0.1956), (0.1887, 0.1692, 0.1872))
"""Lowest and highest corner of the release's box, world units."""


class StyledMLP(nn.Module):
    """Modulated layers from what is known of a point to features and a raw density.

    Args:
        in_dim: Width of the input.
        hidden_dim: Width of the layers.
        num_layers: Modulated layers, each with a style code of its own.
        out_channels: Colours, 3, or features of an upsampler.
        w_dim: Width of a style code.
    """

    def __init__(self, in_dim: int, hidden_dim: int, num_layers: int, out_channels: int, w_dim: int) -> None:
        super().__init__()
        widths = [in_dim, *[hidden_dim] * num_layers]
        self.layers = nn.ModuleList(ModulatedLinear(i, o, w_dim) for i, o in pairwise(widths))
        self.to_density = EqualizedLinear(hidden_dim, 1)
        self.to_features = EqualizedLinear(hidden_dim, out_channels)

    def forward(
        self, x: Float[Tensor, "n m i"], ws: Float[Tensor, "n l d"]
    ) -> tuple[Float[Tensor, "n m c"], Float[Tensor, "n m 1"]]:
        """Return features and raw densities."""
        for layer, w in zip(self.layers, ws.unbind(dim=1), strict=True):
            x = layer(x, w)
        return self.to_features(x), self.to_density(x)


@dataclass(frozen=True)
class EmbeddedRadiance:
    """Radiance fields of a batch of objects.

    Args:
        field: What made them.
        content: What points are looked up in.
        ws: Style codes of the MLP.
    """

    field: "FeatureVolumeField"
    content: Float[Tensor, "n ..."]
    ws: Float[Tensor, "n l d"]

    def __call__(
        self, points: Float[Tensor, "n m 3"]
    ) -> tuple[Float[Tensor, "n m c"], Float[Tensor, "n m 1"]]:
        """Return features and raw densities of world points."""
        features, sigma = self.field.mlp(self.field.embed(self.content, points), self.ws)
        return (features.sigmoid() * 1.002 - 0.001 if self.field.squash else features), sigma

    def __len__(self) -> int:
        return len(self.ws)


@MODELS.register_module()
class FeatureVolumeField(nn.Module):
    """A point embedding in a box and the MLP behind it; defaults are those of VolumeGAN.

    Args:
        w_dim: Width of a style code.
        embedding: What is known of a point besides its coordinates, see ``POINT_EMBEDDINGS``: features of a
            ``volume``, of a ``triplane``, or nothing (``coordinate``).
        resolution: Side of the volume or the planes, a power of two.
        feature_dim: Features of a point.
        max_channels: Most channels of the embedding's layers.
        bounds: Lowest and highest corner of the box that it covers, world units; it goes on at its border.
        num_octaves: Octaves of the encoding of coordinates.
        hidden_dim: Width of the MLP.
        num_layers: Modulated layers of the MLP, each with a style code of its own.
        out_channels: Colours, 3, or features of an upsampler.
        squash: Bring colours to about [0, 1] with a sigmoid; the generator sets it as its marcher wants.
    """

    bounds: Float[Tensor, "2 3"]

    def __init__(
        self,
        w_dim: Size = 512,
        embedding: str = "volume",
        resolution: Size = 32,
        feature_dim: Size = 32,
        max_channels: Size = 256,
        bounds: Sequence[Sequence[float]] = BOX,
        num_octaves: Count = 10,
        hidden_dim: Size = 256,
        num_layers: Size = 4,
        out_channels: Size = 512,
        squash: bool = False,
    ) -> None:
        super().__init__()
        if embedding not in POINT_EMBEDDINGS:
            raise ValueError(f"embedding: got {embedding!r}, wanted one of {tuple(POINT_EMBEDDINGS)}")
        if [len(corner) for corner in bounds] != [3, 3] or not all(map(operator.lt, *bounds)):
            raise ValueError(f"bounds: got {bounds}, wanted the lowest and the highest corner of a box")
        self.register_buffer("bounds", torch.tensor(bounds), persistent=False)
        self.embedding: PointEmbedding = POINT_EMBEDDINGS[embedding](
            w_dim=w_dim, resolution=resolution, feature_dim=feature_dim, max_channels=max_channels
        )
        in_dim = self.embedding.out_channels + 3 * (2 * num_octaves + 1)
        self.mlp = StyledMLP(in_dim, hidden_dim, num_layers, out_channels, w_dim)
        self.num_ws, self.num_octaves = num_layers, num_octaves
        self.out_channels, self.squash = out_channels, squash

    def in_box(self, points: Float[Tensor, "n m 3"]) -> Float[Tensor, "n m 3"]:
        """Map world points to the box's coordinates, [-1, 1] inside."""
        low, high = self.bounds
        return 2 * (points - low) / (high - low) - 1

    def encode(self, points: Float[Tensor, "n m 3"]) -> Float[Tensor, "n m o"]:
        """Return coordinates and their octaves, without pi."""
        return torch.cat([points, octaves(points, self.num_octaves)], dim=-1)

    def embed(
        self, content: Float[Tensor, "n ..."], points: Float[Tensor, "n m 3"]
    ) -> Float[Tensor, "n m i"]:
        """Return what the MLP is told of world points."""
        features = self.embedding.look_up(content, self.in_box(points))
        return torch.cat([features, self.encode(points)], dim=-1)

    def forward(self, ws: Float[Tensor, "n l w"], noise_mode: str = "random") -> EmbeddedRadiance:
        """Decode style codes to radiance fields; the embedding takes the first.

        Args:
            ws: One style code for each layer of the MLP.
            noise_mode: Spatial noise of planes, ``random``, ``const`` or ``none``; volumes have none.
        """
        return EmbeddedRadiance(self, self.embedding(ws[:, 0], noise_mode), ws)
