"""Case d: rays through the field, and through the background with the light that is left."""

from dataclasses import replace

import pytest

from projects.threedgp.models import Sampling
from projects.threedgp.rendering import march, sample_rays
from projects.threedgp.rendering.ray_samples import RaySpan
from tests.golden.stylenerf.helpers import View, draws_of, golden_stylenerf, tangent


class Rendering:
    """Rays of case d in one of its variants."""

    def __init__(self, golden, name):
        self.case, generator = golden("stylenerf/case_d_render"), golden_stylenerf()
        case, self.renderer = self.case, generator.renderer
        self.marching = self.renderer.marching
        if name == "coarse_only":
            self.marching = replace(self.marching, num_fine=0)
        field, self.side = generator.field, case.values["volume_resolution"]
        radiance = field(case["in_ws"].double()[:, : field.num_ws], latent=case["in_z_bg"].double())
        self.radiance = replace(radiance, background_mlp=None) if name == "no_background" else radiance
        self.rays = self.renderer.rays(View(case["in_cam2world"], tangent(golden)), self.side)
        self.draws = self.renderer.draw(self.rays[0], self.marching, Sampling())
        if name.startswith("train"):
            self.draws = draws_of(case, name, self.side**2)

    def trace(self):
        return self.renderer.trace(self.radiance, *self.rays, self.marching, self.draws)


@pytest.mark.parametrize("name", ["eval", "train", "no_background", "train_no_noise", "coarse_only"])
def test_rendering(golden, name):
    rendering = Rendering(golden, name)
    case, out = rendering.case, rendering.trace()
    lengths = rendering.rays[1].norm(dim=-1, keepdim=True)
    count = out.distances.shape[-1]
    maps = out.features.mT.unflatten(2, (rendering.side, rendering.side))
    front = out.weights[..., :count]
    # The light before the last sample, which has no length, or is opaque.
    rest = front[..., -1] if name == "no_background" else 1 - front.sum(dim=-1)
    case.check(
        f"out_{name}_",
        feature=maps[:, 3:],
        rgb=maps[:, :3],
        fg_weights=front,
        fg_depths=out.distances / lengths,
        fg_transmittance=rest,
    )
    if f"out_{name}_bg_weights" in case:
        behind = rendering.renderer.background_start * (
            rendering.marching.place(rendering.draws.background.stratified) - 1
        )
        weights = out.weights[..., count:] / rest[..., None]
        case.check(f"out_{name}_", bg_weights=weights, bg_depths=behind)


@pytest.mark.parametrize("name", ["eval", "train"])
def test_coarse_pass(golden, name):
    rendering = Rendering(golden, name)
    case, draws = rendering.case, rendering.draws.foreground
    origins, vectors = rendering.rays
    lengths = vectors.norm(dim=-1, keepdim=True)
    marching = replace(rendering.marching, use_inf_depth=False)
    span = RaySpan(marching.near * lengths, marching.far * lengths)
    arguments = rendering.radiance, origins, vectors / lengths
    coarse = sample_rays(*arguments, replace(marching, num_fine=0), draws, span)
    both = sample_rays(*arguments, marching, draws, span)
    fine = (both.t[..., None] - coarse.t[..., None, :]).abs().amin(dim=-1) > 1e-9
    positions = (both.t[fine].reshape(coarse.t.shape) / lengths - marching.near) / (
        marching.far - marching.near
    )
    recorded = case[f"out_{name}_fine_positions"]
    order = recorded.argsort(dim=-1).argsort(dim=-1)
    case.check(
        f"out_{name}_",
        coarse_weights=march(coarse.features, coarse.sigma, coarse.t, marching).weights,
        coarse_sigma=marching.activate(coarse.sigma),
        fine_positions=positions.gather(-1, order),
    )
