"""Volume rendering's rules: what the samples of a ray add up to (docs/method.md, section 5).

``ClassicalMarcher`` is that of NeRF, each sample filling the interval behind it; ``MipMarcher`` averages
neighbouring samples, as EG3D does. Features may have any number of channels.
"""

from dataclasses import dataclass
from typing import ClassVar, Protocol, runtime_checkable

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

_FAR_AWAY = 1e10
_THIN = 1e-3


@dataclass(frozen=True)
class Intervals:
    """Pieces of rays, each of one colour and density.

    Args:
        features: Colour or other features.
        raw: Density before its activation.
        positions: Where a piece is, s or t.
        lengths: How long it is, in the same unit.
    """

    features: Float[Tensor, "n r w c"]
    raw: Float[Tensor, "n r w"]
    positions: Float[Tensor, "n r w"]
    lengths: Float[Tensor, "n r w"]


@dataclass(frozen=True)
class Composite:
    """What the pieces of a ray add up to.

    Args:
        features: Composited features.
        depth: Composited position, sum of w t (not divided by the sum of w).
        weights: Weight of each piece.
    """

    features: Float[Tensor, "n r c"]
    depth: Float[Tensor, "n r 1"]
    weights: Float[Tensor, "n r w"]


@runtime_checkable
class Marcher(Protocol):
    """A rule of volume rendering."""

    unit_features: ClassVar[bool]
    """Whether features come in about [0, 1] and leave in [-1, 1]."""
    jitter: ClassVar[str]
    """How samples are placed unless ``RayMarching.jitter`` says so."""

    def bins(self, weights: Float[Tensor, "n r w"]) -> Float[Tensor, "n r b"]:
        """Return how likely fine samples are between the midpoints of coarse ones, not normalised."""

    def density_input(self, sigma: Tensor) -> Tensor:
        """Return what the density's activation is given of a field's raw density."""

    def intervals(
        self,
        features: Float[Tensor, "n r k c"],
        sigma: Float[Tensor, "n r k"],
        positions: Float[Tensor, "n r k"],
    ) -> Intervals:
        """Turn sorted samples into pieces of the ray."""

    def composite(self, pieces: Intervals, weights: Float[Tensor, "n r w"]) -> Composite:
        """Add the pieces up."""


@dataclass(frozen=True)
class ClassicalMarcher:
    """Each sample fills the interval up to the next one.

    Args:
        use_inf_depth: The last sample is infinitely thick; otherwise 1e-3.
        last_back: Give the weight that is left to the last sample.
        end: Where the last sample ends, instead of what ``use_inf_depth`` says.
        background: Value of all features that is given the weight that is left; None for none.
    """

    unit_features: ClassVar[bool] = False
    jitter: ClassVar[str] = "strata"
    use_inf_depth: bool = True
    last_back: bool = False
    end: float | None = None
    background: float | None = None

    def bins(self, weights: Float[Tensor, "n r w"]) -> Float[Tensor, "n r b"]:
        """The weights of all but the outermost samples."""
        return weights[..., 1:-1] + 1e-5

    def density_input(self, sigma: Tensor) -> Tensor:
        """The raw density as it is."""
        return sigma

    def intervals(self, features: Tensor, sigma: Tensor, positions: Tensor) -> Intervals:
        """One for each sample."""
        last = torch.full_like(positions[..., -1:], _FAR_AWAY if self.use_inf_depth else _THIN)
        if self.end is not None:
            last = self.end - positions[..., -1:]
        lengths = torch.cat([positions.diff(dim=-1), last], dim=-1)
        return Intervals(features, self.density_input(sigma), positions, lengths)

    def composite(self, pieces: Intervals, weights: Float[Tensor, "n r w"]) -> Composite:
        """The weighted sum."""
        if self.last_back:
            rest = 1 - weights.sum(dim=-1, keepdim=True)
            weights = torch.cat([weights[..., :-1], weights[..., -1:] + rest], dim=-1)
        features, depth = _weighted_sums(pieces, weights)
        if self.background is not None:
            features = features + self.background * (1 - weights.sum(dim=-1, keepdim=True))
        return Composite(features, depth, weights)


@dataclass(frozen=True)
class LayeredMarcher:
    """As ``ClassicalMarcher``, but the last sample is opaque or nothing (NeRF++, StyleNeRF).

    Args:
        use_inf_depth: The last sample is opaque; otherwise the light that is left goes on behind it.
    """

    unit_features: ClassVar[bool] = False
    jitter: ClassVar[str] = "strata"
    use_inf_depth: bool = True

    def bins(self, weights: Float[Tensor, "n r w"]) -> Float[Tensor, "n r b"]:
        """The weights of all but the outermost samples."""
        return weights[..., 1:-1]

    def density_input(self, sigma: Tensor) -> Tensor:
        """The raw density as it is."""
        return sigma

    def intervals(self, features: Tensor, sigma: Tensor, positions: Tensor) -> Intervals:
        """One for each sample."""
        last = torch.full_like(positions[..., -1:], _FAR_AWAY if self.use_inf_depth else 0.0)
        lengths = torch.cat([positions.diff(dim=-1), last], dim=-1)
        if self.use_inf_depth:
            sigma = torch.cat([sigma[..., :-1], torch.full_like(sigma[..., -1:], _FAR_AWAY)], dim=-1)
        return Intervals(features, sigma, positions, lengths)

    def composite(self, pieces: Intervals, weights: Float[Tensor, "n r w"]) -> Composite:
        """The weighted sum."""
        return Composite(*_weighted_sums(pieces, weights), weights)


@dataclass(frozen=True)
class MipMarcher:
    """Each pair of neighbouring samples is averaged over the interval between them.

    Args:
        use_inf_depth: An infinite last interval holds the last sample itself.
        white_back: Give the weight that is left to white.
        density_bias: Added to the averaged raw density.
    """

    unit_features: ClassVar[bool] = True
    jitter: ClassVar[str] = "step"
    use_inf_depth: bool = True
    white_back: bool = False
    density_bias: float = 0.0

    def bins(self, weights: Float[Tensor, "n r w"]) -> Float[Tensor, "n r b"]:
        """Smoothed weights: the maximum over pairs, then the mean over pairs."""
        flat = weights.flatten(0, 1)[:, None]
        pooled = F.avg_pool1d(F.max_pool1d(flat, 2, stride=1, padding=1), 2, stride=1)
        return pooled[:, 0].reshape(weights.shape)[..., 1:-1] + 0.01

    def density_input(self, sigma: Tensor) -> Tensor:
        """The raw density with the bias."""
        return sigma + self.density_bias

    def intervals(self, features: Tensor, sigma: Tensor, positions: Tensor) -> Intervals:
        """One for each pair, and the last sample if that is infinitely thick."""
        parts = [_pair_means(features, dim=-2), _pair_means(sigma, dim=-1), _pair_means(positions, dim=-1)]
        lengths = positions.diff(dim=-1)
        if self.use_inf_depth:
            ends = (features[..., -1:, :], sigma[..., -1:], positions[..., -1:])
            parts = [torch.cat(pair, dim=dim) for *pair, dim in zip(parts, ends, (-2, -1, -1), strict=True)]
            lengths = torch.cat([lengths, torch.full_like(lengths[..., :1], _FAR_AWAY)], dim=-1)
        features, sigma, positions = parts
        return Intervals(features, self.density_input(sigma), positions, lengths)

    def composite(self, pieces: Intervals, weights: Float[Tensor, "n r w"]) -> Composite:
        """The weighted sum, brought from [0, 1] to [-1, 1]."""
        features, depth = _weighted_sums(pieces, weights)
        if self.white_back:
            features = features + 1 - weights.sum(dim=-1, keepdim=True)
        return Composite(2 * features - 1, depth, weights)


def alpha_weights(
    density: Float[Tensor, "n r k"], deltas: Float[Tensor, "n r k"]
) -> tuple[Float[Tensor, "n r k"], Float[Tensor, "n r"]]:
    """Turn densities into compositing weights: w_i = alpha_i prod_{j<i} (1 - alpha_j + 1e-10).

    Returns:
        The weights, and the transmittance behind the last sample.
    """
    alpha = 1 - torch.exp(-deltas * density)
    survival = torch.cat([torch.ones_like(alpha[..., :1]), 1 - alpha + 1e-10], dim=-1)
    transmittance = survival.cumprod(dim=-1)
    return alpha * transmittance[..., :-1], transmittance[..., -1]


def _pair_means(x: Tensor, dim: int) -> Tensor:
    count = x.shape[dim] - 1
    return (x.narrow(dim, 1, count) + x.narrow(dim, 0, count)) / 2


def _weighted_sums(pieces: Intervals, weights: Tensor) -> tuple[Tensor, Tensor]:
    features = (weights[..., None] * pieces.features).sum(dim=-2)
    return features, (weights * pieces.positions).sum(dim=-1, keepdim=True)
