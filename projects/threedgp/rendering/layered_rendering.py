"""Two layers: the scene, and behind it what lies outside the unit sphere (NeRF++)."""

from dataclasses import dataclass, replace

import torch
from jaxtyping import Float
from torch import Tensor

from .inverse_sphere import inverse_sphere_points
from .ray_samples import RaySpan
from .volume_rendering import Field, RayDraws, RayMarching, RenderOutput, march, sample_rays


@dataclass(frozen=True)
class LayeredDraws:
    """The random numbers that a rendering of both layers uses.

    Args:
        foreground: Those of the scene.
        background: Those of what lies behind it, which has no fine samples.
    """

    foreground: RayDraws
    background: RayDraws

    def __getitem__(self, rays: slice) -> "LayeredDraws":
        """Return the draws of some of the rays."""
        return LayeredDraws(self.foreground[rays], self.background[rays])

    @classmethod
    def random(
        cls,
        like: Float[Tensor, "n r 3"],
        options: RayMarching,
        noise: float = 0.0,
        num_background: int = 4,
    ) -> "LayeredDraws":
        """Draw anew, as in training; ``noise`` is the standard deviation on raw densities."""
        places = torch.rand(*like.shape[:2], num_background, device=like.device)
        behind = RayDraws(places, places[..., :0], noise * torch.randn_like(places) if noise > 0 else None)
        return cls(RayDraws.random(like, options, noise), behind)

    @classmethod
    def deterministic(
        cls, like: Float[Tensor, "n r 3"], options: RayMarching, num_background: int = 4
    ) -> "LayeredDraws":
        """Take the points of a linspace for the samples, and for the quantiles of the fine ones."""
        n, rays = like.shape[:2]
        # At quantile 1 itself, rounding decides whether the last bin counts.
        last = 1 - 4 * torch.finfo(like.dtype).eps
        quantiles = torch.linspace(0, 1, options.num_fine).to(like).clamp(max=last).expand(n, rays, -1)
        none = quantiles[..., :0]
        return cls(
            RayDraws(_ends_and_middles(like, options.num_coarse), quantiles),
            RayDraws(_ends_and_middles(like, num_background), none),
        )


def _ends_and_middles(like: Float[Tensor, "n r 3"], count: int) -> Float[Tensor, "n r k"]:
    """Return the places in strata between midpoints that give the points of a linspace themselves."""
    places = torch.full((count,), 0.5).to(like)
    places[0], places[-1] = 0, 1
    return places.expand(*like.shape[:2], -1)


def render_layers(
    field: Field,
    origins: Float[Tensor, "n r 3"],
    vectors: Float[Tensor, "n r 3"],
    options: RayMarching,
    draws: LayeredDraws,
    background_start: float,
) -> RenderOutput:
    """Render rays through a field and, with the light that is left, through its background.

    Args:
        field: The field. Its ``background`` maps points of ``inverse_sphere_points`` (n, m, 4) as it maps
            world points; without one (or with None) rays end with an opaque sample.
        origins: Ray origins.
        vectors: From there to the plane at distance 1 along the optical axis, along which ``near`` and
            ``far`` are measured. They are longer than 1 by as much as the ray is longer than the axis.
        options: Sampling and marching, which must be ``layered``.
        draws: The random numbers to use.
        background_start: Inverse distance from the world's origin at which the background begins.

    Returns:
        Both layers: distances and depth along the rays, world units, where all of the background is at
        ``far``; pieces and weights with those of the background behind those of the scene.
    """
    background: Field | None = getattr(field, "background", None)
    lengths = vectors.norm(dim=-1, keepdim=True)
    directions = vectors / lengths
    options = replace(options, use_inf_depth=background is None)
    span = RaySpan(options.near * lengths, options.far * lengths)
    samples = sample_rays(field, origins, directions, options, draws.foreground, span)
    front = march(samples.features, samples.sigma, samples.t, options)
    if background is None:
        return front
    back = _render_background(background, origins, directions, options, draws.background, background_start)
    rest = front.transmittance[..., None]
    return RenderOutput(
        front.features + rest * back.features,
        front.depth + rest * options.far * lengths,
        torch.cat([front.weights, rest * back.weights], dim=-1),
        back.transmittance * front.transmittance,
        front.distances,
        torch.cat([front.pieces, back.pieces], dim=-2),
    )


def _render_background(
    background: Field,
    origins: Tensor,
    directions: Tensor,
    options: RayMarching,
    draws: RayDraws,
    start: float,
) -> RenderOutput:
    """March from ``start`` to infinity, at the inverse distance with its sign changed."""
    options = replace(options, use_inf_depth=True, cut_quantile=0.0)
    positions = start * (options.place(draws.stratified) - 1)
    points = inverse_sphere_points(origins, directions, -positions)
    features, sigma = background(points.flatten(1, 2))
    sigma = sigma.reshape(positions.shape)
    if draws.coarse_noise is not None:
        sigma = sigma + draws.coarse_noise
    return march(features.unflatten(1, positions.shape[1:]), sigma, positions, options)
