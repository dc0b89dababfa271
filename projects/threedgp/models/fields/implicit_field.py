"""Implicit field: style codes to radiance fields that are MLPs of the points themselves (StyleNeRF)."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from itertools import pairwise

import torch
from jaxtyping import Float
from mmagic.registry import MODELS
from torch import Tensor, nn

from ...layers import EqualizedLinear, ModulatedLinear, octaves
from ...ranges import Count, Size

Decoded = tuple[Float[Tensor, "n m c"], Float[Tensor, "n m 1"]]


class ForegroundMLP(nn.Module):
    """Encoded world points through modulated layers, to colours, features and raw densities.

    Args:
        w_dim: Width of a style code.
        num_octaves: Octaves of the encoding.
        hidden_dim: Width of the layers.
        num_layers: Layers before the heads.
        feature_dim: Width of the features, of which the colours are a linear function.
    """

    def __init__(
        self, w_dim: int, num_octaves: int, hidden_dim: int, num_layers: int, feature_dim: int
    ) -> None:
        super().__init__()
        widths = [6 * num_octaves] + [hidden_dim] * num_layers
        self.num_octaves = num_octaves
        self.layers = nn.ModuleList(ModulatedLinear(i, o, w_dim) for i, o in pairwise(widths))
        head = partial(ModulatedLinear, hidden_dim, w_dim=w_dim, activation="linear", demodulate=False)
        self.density, self.feature = head(1), head(feature_dim)
        self.colour = EqualizedLinear(feature_dim, 3)

    @property
    def num_ws(self) -> int:
        """Style codes needed."""
        return len(self.layers) + 2

    def forward(self, points: Float[Tensor, "n m 3"], ws: Float[Tensor, "n l w"]) -> Decoded:
        """Return colours with features behind them, and raw densities."""
        *codes, density_code, feature_code = ws.unbind(dim=1)
        x = octaves(points, self.num_octaves, math.pi)
        for layer, code in zip(self.layers, codes, strict=True):
            x = layer(x, code)
        features = self.feature(x, feature_code)
        return torch.cat([self.colour(features), features], dim=-1), self.density(x, density_code)


class BackgroundMLP(nn.Module):
    """Encoded points outside the unit sphere and a latent through plain layers with ReLU, to the same.

    Args:
        latent_dim: Width of the latent.
        num_octaves: Octaves of the encoding.
        hidden_dim: Width of the layers.
        num_layers: Layers before the heads.
        feature_dim: Width of the features, of which the colours are a linear function.
    """

    def __init__(
        self, latent_dim: int, num_octaves: int, hidden_dim: int, num_layers: int, feature_dim: int
    ) -> None:
        super().__init__()
        widths = [8 * num_octaves + latent_dim] + [hidden_dim] * num_layers
        self.num_octaves = num_octaves
        self.layers = nn.ModuleList(nn.Linear(i, o) for i, o in pairwise(widths))
        self.density, self.feature = nn.Linear(hidden_dim, 1), nn.Linear(hidden_dim, feature_dim)
        self.colour = EqualizedLinear(feature_dim, 3)

    def forward(self, points: Float[Tensor, "n m 4"], latent: Float[Tensor, "n z"]) -> Decoded:
        """Return colours with features behind them, and raw densities."""
        latent = latent[:, None].expand(-1, points.shape[1], -1)
        x = torch.cat([octaves(points, self.num_octaves, math.pi), latent], dim=-1)
        for layer in self.layers:
            x = layer(x).relu()
        features = self.feature(x)
        return torch.cat([self.colour(features), features], dim=-1), self.density(x)


@dataclass(frozen=True)
class ImplicitRadiance:
    """Radiance fields of a batch of objects.

    Args:
        ws: Style codes.
        mlp: What makes features and raw densities of world points.
        latent: Latents of the background.
        background_mlp: What makes them of points outside the unit sphere; None for no background.
    """

    ws: Float[Tensor, "n l w"]
    mlp: Callable[[Tensor, Tensor], Decoded]
    latent: Float[Tensor, "n z"] | None = None
    background_mlp: Callable[[Tensor, Tensor], Decoded] | None = None

    def __call__(self, points: Float[Tensor, "n m 3"]) -> Decoded:
        """Return features (the colours first) and raw densities of world points."""
        return self.mlp(points, self.ws)

    @property
    def background(self) -> Callable[[Tensor], Decoded] | None:
        """The same of the outside of the unit sphere, see ``inverse_sphere_points``; None for nothing."""
        if self.background_mlp is None or self.latent is None:
            return None
        return partial(self.background_mlp, latent=self.latent)  # type: ignore[call-arg]

    def __len__(self) -> int:
        return len(self.ws)


@MODELS.register_module()
class ImplicitField(nn.Module):
    """MLPs of encoded points; defaults are StyleNeRF's.

    A background, if there is one, does not depend on the style: it has a latent of its own, the last
    ``latent_dim`` numbers of the generator's z.

    Args:
        w_dim: Width of a style code.
        num_octaves: Octaves of the encoding of points.
        hidden_dim: Width of the layers.
        num_layers: Layers before the heads.
        feature_dim: Width of the features of an upsampler, of which the colours are a linear function.
        latent_dim: Width of the background's latent; 0 for no background.
        background_dim: Width of the background's layers.
        background_layers: Layers of the background before the heads.
        squash: What the mip marcher wants, which this field does not do.
    """

    def __init__(
        self,
        w_dim: Size = 512,
        num_octaves: Count = 10,
        hidden_dim: Size = 128,
        num_layers: Size = 8,
        feature_dim: Size = 256,
        latent_dim: Count = 32,
        background_dim: Size = 64,
        background_layers: Count = 4,
        squash: bool = False,
    ) -> None:
        super().__init__()
        if squash:
            raise ValueError(
                "renderer.marcher: got 'mip', wanted 'layered' (or 'classical') for ImplicitField"
            )
        self.mlp = ForegroundMLP(w_dim, num_octaves, hidden_dim, num_layers, feature_dim)
        self.background_mlp = None
        if latent_dim:
            self.background_mlp = BackgroundMLP(
                latent_dim, num_octaves, background_dim, background_layers, feature_dim
            )
        self.latent_dim, self.out_channels = latent_dim, 3 + feature_dim

    @property
    def num_ws(self) -> int:
        """Style codes needed."""
        return self.mlp.num_ws

    def forward(
        self,
        ws: Float[Tensor, "n l w"],
        noise_mode: str = "random",
        latent: Float[Tensor, "n z"] | None = None,
    ) -> ImplicitRadiance:
        """Decode style codes to radiance fields.

        Args:
            ws: One style code for each layer.
            noise_mode: There is no spatial noise: unused.
            latent: Latents of the background; None where there is none.
        """
        return ImplicitRadiance(ws, self.mlp, latent, self.background_mlp)
