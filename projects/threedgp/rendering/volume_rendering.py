"""Volume rendering with stratified and importance samples (docs/method.md, section 5).

A position on a ray is s in [0, 1] (normalised) or t = near + s (far - near) (metric). The first pass finds
where the weight is, marched in s (3DGP) or t (the others); the final pass is marched in t.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor

from ..ranges import Count, Number, Positive, check_ranges
from .marchers import ClassicalMarcher, LayeredMarcher, Marcher, MipMarcher, alpha_weights
from .ray_samples import JITTERS, SPACINGS, RaySpan, box_span

Field = Callable[[Tensor], tuple[Tensor, Tensor]]
"""Maps world points (n, m, 3) to colours or other features (n, m, c) and raw densities (n, m, 1)."""

MARCHERS = ("classical", "mip", "layered")
SPACES = ("normalized", "metric")
DEPTHS = ("sum", "mean")


def _shifted_softplus(raw: Tensor) -> Tensor:
    """Softplus that starts thin (mip-NeRF, Barron et al. 2021, section 3.2)."""
    return F.softplus(raw - 1)


DENSITIES: dict[str, Callable[[Tensor], Tensor]] = {
    "softplus": F.softplus,
    "relu": F.relu,
    "shifted_softplus": _shifted_softplus,
}
"""Activations that make a density of a raw one."""


@dataclass(frozen=True)
class RayMarching:
    """How rays are sampled and marched; defaults are those of ImageNet-256.

    Args:
        near: Distance of the first sample.
        far: Distance of the last sample.
        num_coarse: Stratified samples of the first pass.
        num_fine: Importance samples of the second pass; 0 marches the first pass alone, in s.
        marcher: ``classical``, ``mip`` or ``layered``, see ``marchers``.
        density: What makes a density of a raw one, see ``DENSITIES``.
        use_inf_depth: The last sample is infinitely thick; otherwise 1e-3 (classical), nothing
            (layered) or absent (mip).
        last_back: Give the weight that is left to the last sample (classical).
        end: Distance at which the last sample ends, instead of what ``use_inf_depth`` says (classical).
        background: Value of all features that is given the weight that is left; None for none (classical).
        white_back: Give the weight that is left to white (mip).
        cut_quantile: Zero the densities under this quantile of the call, in [0, 1).
        density_bias: Added to the averaged raw density (mip).
        jitter: How coarse samples are placed, see ``JITTERS``; None as the marcher does.
        space: Where the first pass is marched and fine samples are drawn: in s, ``normalized``, or in t,
            ``metric``.
        spacing: Coarse samples are spread evenly in t, ``linear``, or in 1 / t, ``disparity``.
        ray_box: Side of the cube around the origin that rays are sampled in; None samples from near to far.
        depth: ``sum``: the sum of w t; ``mean``: that divided by the sum of w, and kept within the samples of
            the call (the farthest of them where a ray meets nothing).
    """

    near: Number = 0.75
    far: Number = 1.25
    num_coarse: Count = 32
    num_fine: Count = 32
    marcher: str = "classical"
    density: str = "softplus"
    use_inf_depth: bool = True
    last_back: bool = False
    end: float | None = None
    background: float | None = None
    white_back: bool = False
    cut_quantile: float = 0.0
    density_bias: Number = 0.0
    jitter: str | None = None
    space: str = "normalized"
    spacing: str = "linear"
    ray_box: Positive | None = None
    depth: str = "sum"

    def __post_init__(self) -> None:
        check_ranges(RayMarching, vars(self), "RayMarching")
        for name, known in (
            ("marcher", MARCHERS),
            ("density", tuple(DENSITIES)),
            ("jitter", (None, *JITTERS)),
            ("space", SPACES),
            ("spacing", SPACINGS),
            ("depth", DEPTHS),
        ):
            if getattr(self, name) not in known:
                raise ValueError(f"{name}: got {getattr(self, name)!r}, wanted one of {known}")
        if not 0 < self.near < self.far:
            raise ValueError(f"near, far: got {self.near}, {self.far}, wanted 0 < near < far")
        if self.num_coarse < 3:
            raise ValueError(f"num_coarse: got {self.num_coarse}, wanted at least 3")
        if not 0 <= self.cut_quantile < 1:
            raise ValueError(f"cut_quantile: got {self.cut_quantile}, wanted a number in [0, 1)")
        if self.space != "metric" and self.end is not None:
            raise ValueError(f"end: got {self.end} with space={self.space!r}, wanted space='metric'")
        if self.space != "metric" and (self.spacing != "linear" or self.ray_box is not None):
            raise ValueError(f"space: got {self.space!r} with spacing or ray_box, wanted 'metric'")

    @property
    def rule(self) -> Marcher:
        """The marcher with its options."""
        if self.marcher == "mip":
            return MipMarcher(self.use_inf_depth, self.white_back, self.density_bias)
        if self.marcher == "layered":
            return LayeredMarcher(self.use_inf_depth)
        return ClassicalMarcher(self.use_inf_depth, self.last_back, self.end, self.background)

    def activate(self, raw: Tensor) -> Tensor:
        """Return the density of what ``Marcher.density_input`` returns."""
        return DENSITIES[self.density](raw)

    @property
    def needs_whole_call(self) -> bool:
        """Whether a ray depends on the other rays of the call."""
        return self.cut_quantile > 0 or self.depth == "mean" or self.ray_box is not None

    def place(self, draws: Float[Tensor, "n r k"]) -> Float[Tensor, "n r k"]:
        """Place one coarse sample in each stratum of [0, 1]; ``draws`` are its places in the strata."""
        return JITTERS[self.jitter or self.rule.jitter](draws)

    def span(self, origins: Float[Tensor, "n r 3"], directions: Float[Tensor, "n r 3"]) -> RaySpan:
        """Return the part of these rays that is sampled."""
        if self.ray_box is not None:
            return box_span(origins, directions, self.ray_box, self.spacing)
        return RaySpan(self.near, self.far, self.spacing)

    def expected(
        self, depth: Float[Tensor, "n r 1"], weights: Float[Tensor, "n r w"], t: Float[Tensor, "n r k"]
    ) -> Float[Tensor, "n r 1"]:
        """Return the depth of rays of the sum of w t, the weights, and all distances of the call."""
        if self.depth == "sum":
            return depth
        total = weights.sum(dim=-1, keepdim=True)
        seen = total > 0
        # Nothing is divided by 0, where the gradient would not be finite either.
        return (depth / total.where(seen, 1.0)).where(seen, torch.inf).clamp(t.min(), t.max())


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
        features: Composited colour or other features.
        depth: Composited distance, sum of w t, unless ``RayMarching.depth`` says otherwise.
        weights: Weight of each sample (or interval).
        transmittance: Light that is left behind the last sample.
        distances: Positions t of the samples.
        pieces: Features of each sample (or interval), which the weights add up.
    """

    features: Float[Tensor, "n r c"]
    depth: Float[Tensor, "n r 1"]
    weights: Float[Tensor, "n r w"]
    transmittance: Float[Tensor, "n r"]
    distances: Float[Tensor, "n r k"]
    pieces: Float[Tensor, "n r w c"]


def march(
    features: Float[Tensor, "n r k c"],
    sigma: Float[Tensor, "n r k"],
    positions: Float[Tensor, "n r k"],
    options: RayMarching,
) -> RenderOutput:
    """Composite samples along rays.

    Args:
        features: Colour or other features of each sample.
        sigma: Raw density of each sample, before its activation.
        positions: Sorted positions, s or t; ``depth`` and ``distances`` come out in the same unit.
        options: See ``RayMarching``.
    """
    rule = options.rule
    pieces = rule.intervals(features, sigma, positions)
    density = _cut(options.activate(pieces.raw), options.cut_quantile)
    weights, transmittance = alpha_weights(density, pieces.lengths)
    seen = rule.composite(pieces, weights)
    return RenderOutput(seen.features, seen.depth, seen.weights, transmittance, positions, pieces.features)


def _cut(density: Tensor, quantile: float) -> Tensor:
    """Zero the densities under their quantile."""
    if quantile > 0:
        # torch.quantile would refuse more than 2 ** 24 elements.
        ordered = density.detach().flatten().sort().values
        place = quantile * (ordered.numel() - 1)
        low, high = ordered[int(place)], ordered[min(int(place) + 1, ordered.numel() - 1)]
        density = density * (density >= low + (high - low) * (place - int(place)))
    return density


def importance_positions(
    positions: Float[Tensor, "n r k"], bins: Float[Tensor, "n r b"], draws: Float[Tensor, "n r fine"]
) -> Float[Tensor, "n r fine"]:
    """Draw from the piecewise-constant density that a coarse pass found.

    Args:
        positions: Sorted coarse positions in s; bins end at their midpoints.
        bins: What ``Marcher.bins`` makes of the coarse weights.
        draws: Quantiles in [0, 1].

    Returns:
        Positions in s, in the order of the draws, without gradient.
    """
    edges = ((positions[..., 1:] + positions[..., :-1]) / 2).detach()
    pdf = bins.detach() + 1e-5
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


@dataclass(frozen=True)
class RaySamples:
    """What a field says of all samples of rays, sorted.

    Args:
        features: Colour or other features.
        sigma: Raw densities.
        t: Distances.
        positions: Where they are to be marched, s or t.
    """

    features: Float[Tensor, "n r k c"]
    sigma: Float[Tensor, "n r k"]
    t: Float[Tensor, "n r k"]
    positions: Float[Tensor, "n r k"]


def sample_rays(
    field: Field,
    origins: Float[Tensor, "n r 3"],
    directions: Float[Tensor, "n r 3"],
    options: RayMarching,
    draws: RayDraws,
    span: RaySpan | None = None,
) -> RaySamples:
    """Look a field up along rays: coarse pass, then importance samples.

    Args:
        field: Features and raw densities of world points.
        origins: Ray origins.
        directions: Unit ray directions.
        options: Sampling and marching.
        draws: The random numbers to use.
        span: The part of the rays that is sampled; None as the options say.
    """
    rule, metric = options.rule, options.space == "metric"
    span = options.span(origins, directions) if span is None else span
    s = options.place(draws.stratified)
    t = span.at(s)
    features, sigma = _query(field, origins, directions, t, draws.coarse_noise)
    positions = t if metric else s
    if options.num_fine == 0:
        return RaySamples(features, sigma, t, positions)
    coarse = march(features, sigma, positions, options)
    fine = importance_positions(positions, rule.bins(coarse.weights.detach()), draws.importance)
    t_fine = fine if metric else span.at(fine)
    fine_features, fine_sigma = _query(field, origins, directions, t_fine, draws.fine_noise)
    t, order = torch.cat([t, t_fine], dim=-1).sort(dim=-1)
    sigma = torch.cat([sigma, fine_sigma], dim=-1).gather(-1, order)
    features = torch.cat([features, fine_features], dim=-2)
    features = features.gather(-2, order[..., None].expand(features.shape))
    return RaySamples(features, sigma, t, t)


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
        Depth and distances in t, however the rays were marched.
    """
    samples = sample_rays(field, origins, directions, options, draws)
    out = march(samples.features, samples.sigma, samples.positions, options)
    if options.num_fine == 0:
        return _in_metric(out, samples.t, options)
    return replace(out, depth=options.expected(out.depth, out.weights, samples.t))


def _in_metric(coarse: RenderOutput, t: Tensor, options: RayMarching) -> RenderOutput:
    """Return a single pass with its depth in t, whichever way it was marched."""
    depth = coarse.depth
    if options.space == "normalized":
        weight_sum = coarse.weights.sum(dim=-1, keepdim=True)
        depth = options.near * weight_sum + (options.far - options.near) * depth
    return replace(coarse, depth=options.expected(depth, coarse.weights, t), distances=t)


def _query(
    field: Field, origins: Tensor, directions: Tensor, t: Tensor, noise: Tensor | None
) -> tuple[Tensor, Tensor]:
    points = origins[:, :, None, :] + t[..., None] * directions[:, :, None, :]
    features, sigma = field(points.flatten(1, 2))
    sigma = sigma.reshape(t.shape)
    return features.unflatten(1, t.shape[1:]), sigma if noise is None else sigma + noise
