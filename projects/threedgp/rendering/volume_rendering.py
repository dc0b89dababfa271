"""Volume rendering with stratified and importance samples (docs/method.md, section 5).

A position on a ray is s in [0, 1] (normalised) or t = near + s (far - near) (metric). The first pass is
marched in s to find where the weight is, the final pass in t; the classical marcher is that of NeRF,
``mip`` averages neighbouring samples as EG3D does.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor

Field = Callable[[Tensor], tuple[Tensor, Tensor]]
"""Maps world points (n, m, 3) to colours (n, m, 3) and raw densities (n, m, 1)."""

_FAR_AWAY = 1e10
_THIN = 1e-3


@dataclass(frozen=True)
class RayMarching:
    """How rays are sampled and marched; defaults are those of ImageNet-256.

    Args:
        near: Distance of the first sample.
        far: Distance of the last sample.
        num_coarse: Stratified samples of the first pass.
        num_fine: Importance samples of the second pass; 0 marches the first pass alone, in s.
        marcher: ``classical`` or ``mip``.
        use_inf_depth: The last sample is infinitely thick; otherwise 1e-3 (classical) or absent (mip).
        last_back: Give the weight that is left to the last sample (classical).
        white_back: Give the weight that is left to white (mip).
        cut_quantile: Zero the densities under this quantile of the call, in [0, 1).
        density_bias: Added to the averaged raw density (mip).
    """

    near: float = 0.75
    far: float = 1.25
    num_coarse: int = 32
    num_fine: int = 32
    marcher: str = "classical"
    use_inf_depth: bool = True
    last_back: bool = False
    white_back: bool = False
    cut_quantile: float = 0.0
    density_bias: float = 0.0

    def __post_init__(self) -> None:
        if self.marcher not in ("classical", "mip"):
            raise ValueError(f"marcher: got {self.marcher!r}, wanted 'classical' or 'mip'")
        if not 0 < self.near < self.far:
            raise ValueError(f"near, far: got {self.near}, {self.far}, wanted 0 < near < far")
        if self.num_coarse < 3:
            raise ValueError(f"num_coarse: got {self.num_coarse}, wanted at least 3")
        if not 0 <= self.cut_quantile < 1:
            raise ValueError(f"cut_quantile: got {self.cut_quantile}, wanted a number in [0, 1)")

    def to_metric(self, s: Tensor) -> Tensor:
        """Map normalised positions to distances."""
        return self.near + s * (self.far - self.near)


@dataclass(frozen=True)
class RayDraws:
    """The random numbers that one rendering uses.

    Args:
        stratified: Place of each coarse sample in its stratum, in [0, 1].
        importance: Quantile of each fine sample, in [0, 1].
        coarse_noise: Added to the raw coarse densities, or None.
        fine_noise: Added to the raw fine densities, or None.
    """

    stratified: Float[Tensor, "n r coarse"]
    importance: Float[Tensor, "n r fine"]
    coarse_noise: Float[Tensor, "n r coarse"] | None = None
    fine_noise: Float[Tensor, "n r fine"] | None = None

    def __getitem__(self, rays: slice) -> "RayDraws":
        """Return the draws of some of the rays."""
        coarse, fine = self.coarse_noise, self.fine_noise
        return RayDraws(
            self.stratified[:, rays],
            self.importance[:, rays],
            None if coarse is None else coarse[:, rays],
            None if fine is None else fine[:, rays],
        )

    @classmethod
    def random(cls, like: Float[Tensor, "n r 3"], options: RayMarching, noise: float = 0.0) -> "RayDraws":
        """Draw anew, as in training; ``noise`` is the standard deviation on raw densities."""
        n, r, device = like.shape[0], like.shape[1], like.device
        coarse, fine = (n, r, options.num_coarse), (n, r, options.num_fine)
        return cls(
            torch.rand(coarse, device=device),
            torch.rand(fine, device=device),
            noise * torch.randn(coarse, device=device) if noise > 0 else None,
            noise * torch.randn(fine, device=device) if noise > 0 else None,
        )

    @classmethod
    def deterministic(cls, like: Float[Tensor, "n r 3"], options: RayMarching) -> "RayDraws":
        """Take stratum centres and evenly spaced quantiles, for reproducible images."""
        n, r, device = like.shape[0], like.shape[1], like.device
        quantiles = (torch.arange(options.num_fine, device=device) + 0.5) / max(options.num_fine, 1)
        return cls(torch.full((n, r, options.num_coarse), 0.5, device=device), quantiles.expand(n, r, -1))


@dataclass(frozen=True)
class RenderOutput:
    """What rays see.

    Args:
        rgb: Composited colour.
        depth: Composited distance, sum of w t (not divided by the sum of w).
        weights: Weight of each sample (or interval).
        transmittance: Light that is left behind the last sample.
        distances: Positions t of the samples.
    """

    rgb: Float[Tensor, "n r 3"]
    depth: Float[Tensor, "n r 1"]
    weights: Float[Tensor, "n r w"]
    transmittance: Float[Tensor, "n r"]
    distances: Float[Tensor, "n r k"]


def stratified_positions(draws: Float[Tensor, "n r k"], marcher: str = "classical") -> Float[Tensor, "n r k"]:
    """Place one sample in each stratum of [0, 1].

    Classical strata end at the midpoints of a linspace; mip adds a whole step, so that its last sample
    may lie beyond 1.
    """
    k = draws.shape[-1]
    grid = torch.linspace(0, 1, k, device=draws.device, dtype=draws.dtype)
    if marcher == "mip":
        return grid + draws / (k - 1)
    middle = (grid[1:] + grid[:-1]) / 2
    lower, upper = torch.cat([grid[:1], middle]), torch.cat([middle, grid[-1:]])
    return lower + draws * (upper - lower)


def march(
    rgb: Float[Tensor, "n r k 3"],
    sigma: Float[Tensor, "n r k"],
    positions: Float[Tensor, "n r k"],
    options: RayMarching,
) -> RenderOutput:
    """Composite samples along rays.

    Args:
        rgb: Colour of each sample.
        sigma: Raw density of each sample, before softplus.
        positions: Sorted positions, s or t; ``depth`` and ``distances`` come out in the same unit.
        options: See ``RayMarching``.
    """
    where, rgb_w, raw, deltas = positions, rgb, sigma, positions.diff(dim=-1)
    if options.marcher == "mip":
        where, rgb_w, raw, deltas = _mip_intervals(rgb, sigma, positions, options)
    else:
        last = _FAR_AWAY if options.use_inf_depth else _THIN
        deltas = torch.cat([deltas, torch.full_like(deltas[..., :1], last)], dim=-1)
    weights, transmittance = alpha_weights(_density(raw, options.cut_quantile), deltas)
    if options.last_back and options.marcher == "classical":
        rest = 1 - weights.sum(dim=-1, keepdim=True)
        weights = torch.cat([weights[..., :-1], weights[..., -1:] + rest], dim=-1)
    colour = (weights[..., None] * rgb_w).sum(dim=-2)
    if options.marcher == "mip":
        if options.white_back:
            colour = colour + 1 - weights.sum(dim=-1, keepdim=True)
        colour = 2 * colour - 1
    depth = (weights * where).sum(dim=-1, keepdim=True)
    return RenderOutput(colour, depth, weights, transmittance, positions)


def _mip_intervals(
    rgb: Tensor, sigma: Tensor, positions: Tensor, options: RayMarching
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Average neighbouring samples; an infinite last interval holds the last sample itself."""
    where = (positions[..., 1:] + positions[..., :-1]) / 2
    rgb_w = (rgb[..., 1:, :] + rgb[..., :-1, :]) / 2
    raw = (sigma[..., 1:] + sigma[..., :-1]) / 2
    deltas = positions.diff(dim=-1)
    if options.use_inf_depth:
        where = torch.cat([where, positions[..., -1:]], dim=-1)
        rgb_w = torch.cat([rgb_w, rgb[..., -1:, :]], dim=-2)
        raw = torch.cat([raw, sigma[..., -1:]], dim=-1)
        deltas = torch.cat([deltas, torch.full_like(deltas[..., :1], _FAR_AWAY)], dim=-1)
    return where, rgb_w, raw + options.density_bias, deltas


def _density(raw: Tensor, cut_quantile: float) -> Tensor:
    density = F.softplus(raw)
    if cut_quantile > 0:
        # torch.quantile would refuse more than 2 ** 24 elements.
        ordered = density.detach().flatten().sort().values
        place = cut_quantile * (ordered.numel() - 1)
        low, high = ordered[int(place)], ordered[min(int(place) + 1, ordered.numel() - 1)]
        density = density * (density >= low + (high - low) * (place - int(place)))
    return density


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


def importance_positions(
    positions: Float[Tensor, "n r k"],
    weights: Float[Tensor, "n r w"],
    draws: Float[Tensor, "n r fine"],
    marcher: str = "classical",
) -> Float[Tensor, "n r fine"]:
    """Draw from the piecewise-constant density that the coarse weights describe.

    Args:
        positions: Sorted coarse positions in s; bins end at their midpoints.
        weights: Coarse weights; mip smooths them first (max over pairs, then mean over pairs).
        draws: Quantiles in [0, 1].
        marcher: ``classical`` or ``mip``.

    Returns:
        Positions in s, in the order of the draws, without gradient.
    """
    edges = ((positions[..., 1:] + positions[..., :-1]) / 2).detach()
    inner = _smooth_weights(weights.detach()) if marcher == "mip" else weights.detach()[..., 1:-1] + 1e-5
    pdf = inner + 1e-5
    pdf = pdf / pdf.sum(dim=-1, keepdim=True)
    cdf = torch.cat([torch.zeros_like(pdf[..., :1]), pdf.cumsum(dim=-1)], dim=-1)
    above: Int[Tensor, "n r fine"] = torch.searchsorted(cdf, draws.contiguous(), right=True)
    below = (above - 1).clamp(min=0)
    above = above.clamp(max=pdf.shape[-1])
    cdf_low, cdf_high = cdf.gather(-1, below), cdf.gather(-1, above)
    edge_low, edge_high = edges.gather(-1, below), edges.gather(-1, above)
    step = cdf_high - cdf_low
    step = torch.where(step < 1e-5, torch.ones_like(step), step)
    return edge_low + (draws - cdf_low) / step * (edge_high - edge_low)


def _smooth_weights(weights: Tensor) -> Tensor:
    flat = weights.flatten(0, 1)[:, None]
    pooled = F.avg_pool1d(F.max_pool1d(flat, 2, stride=1, padding=1), 2, stride=1)
    return pooled[:, 0].reshape(weights.shape)[..., 1:-1] + 0.01


def render_rays(
    field: Field,
    origins: Float[Tensor, "n r 3"],
    directions: Float[Tensor, "n r 3"],
    options: RayMarching,
    draws: RayDraws,
) -> RenderOutput:
    """Render rays through a field: coarse pass, importance samples, one march over all samples.

    Args:
        field: Colours and raw densities of world points.
        origins: Ray origins.
        directions: Unit ray directions.
        options: Sampling and marching.
        draws: The random numbers to use.

    Returns:
        Depth and distances in t also for ``num_fine=0``, which is marched in s.
    """
    s = stratified_positions(draws.stratified, options.marcher)
    rgb, sigma = _query(field, origins, directions, options.to_metric(s), draws.coarse_noise)
    coarse = march(rgb, sigma, s, options)
    if options.num_fine == 0:
        weight_sum = coarse.weights.sum(dim=-1, keepdim=True)
        depth = options.near * weight_sum + (options.far - options.near) * coarse.depth
        distances = options.to_metric(s)
        return RenderOutput(coarse.rgb, depth, coarse.weights, coarse.transmittance, distances)
    s_fine = importance_positions(s, coarse.weights, draws.importance, options.marcher)
    rgb_fine, sigma_fine = _query(field, origins, directions, options.to_metric(s_fine), draws.fine_noise)
    t, order = options.to_metric(torch.cat([s, s_fine], dim=-1)).sort(dim=-1)
    sigma = torch.cat([sigma, sigma_fine], dim=-1).gather(-1, order)
    rgb = torch.cat([rgb, rgb_fine], dim=-2).gather(-2, order[..., None].expand(*order.shape, 3))
    return march(rgb, sigma, t, options)


def _query(
    field: Field, origins: Tensor, directions: Tensor, t: Tensor, noise: Tensor | None
) -> tuple[Tensor, Tensor]:
    points = origins[:, :, None, :] + t[..., None] * directions[:, :, None, :]
    rgb, sigma = field(points.flatten(1, 2))
    sigma = sigma.reshape(t.shape)
    return rgb.reshape(*t.shape, 3), sigma if noise is None else sigma + noise
