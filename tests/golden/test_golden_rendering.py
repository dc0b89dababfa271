"""Case e: volume rendering, classical and mip."""

from dataclasses import replace

import pytest
import torch

from projects.threedgp.rendering import pixel_rays, render_rays
from projects.threedgp.rendering.volume_rendering import (
    importance_positions,
    march,
)
from tests.golden.helpers import golden_generator

CLASSICAL = (
    "default",
    "coarse_only",
    "cut_quantile",
    "density_noise",
    "finite_last",
    "last_back",
    "white_back",
)
MIP = ("default", "density_bias", "finite_last", "white_back")
OURS = {"num_fine_steps": "num_fine", "num_proposal_steps": "num_coarse"}
SAME = ("cut_quantile", "density_bias", "last_back", "use_inf_depth", "white_back")


@pytest.mark.parametrize("suffix, variant", [("", v) for v in CLASSICAL] + [("_mip", v) for v in MIP])
def test_rays(golden, suffix, variant):
    case = golden(f"case_e_render{suffix}")
    generator = golden_generator(marcher=case.values["ray_marcher"])
    values = case.values["base_options"] | case.values["variants"][variant]
    known = {OURS.get(k, k): v for k, v in values.items() if k in OURS or k in SAME}
    options = replace(generator.marching, near=values["ray_start"], far=values["ray_end"], **known)
    field = generator.field.radiance(case["in_planes"].flatten(1, 2))
    origins, directions = case["in_ray_o"], case["in_ray_d"]
    draws = case.ray_draws(f"rng_{variant}_", values["density_noise"])

    out = render_rays(field, origins, directions, options, draws)
    weight_sum, depth = out.weights.sum(dim=-1), out.depth
    if options.num_fine == 0:
        # The reference returns the composited s here, we return a distance.
        depth = (depth - options.near * weight_sum[..., None]) / (options.far - options.near)
    prefix = f"out_{variant}_"
    case.check(
        prefix,
        rgb=out.features,
        depth=depth,
        weights=out.weights,
        weight_sum=weight_sum,
        final_transmittance=out.transmittance,
    )

    # The first pass, piece by piece.
    s = options.place(draws.stratified)
    points = origins[:, :, None] + options.span(origins, directions).at(s)[..., None] * directions[:, :, None]
    rgb, sigma = field(points.flatten(1, 2))
    noise = 0 if draws.coarse_noise is None else draws.coarse_noise
    coarse = march(rgb.reshape(*s.shape, 3), sigma.reshape(s.shape) + noise, s, options)
    steps = {"s_coarse": s, "coarse_rgb": rgb, "coarse_sigma": sigma}
    if options.num_fine:
        s_fine = importance_positions(s, options.rule.bins(coarse.weights), draws.importance)
        steps |= {"coarse_weights": coarse.weights, "s_fine": s_fine, "t_all": out.distances}
    case.check(prefix, **{key: value for key, value in steps.items() if prefix + key in case})


@pytest.mark.parametrize("name", ["case_e_render", "case_e_render_mip"])
def test_rays_of_the_cameras(golden, name):
    case = golden(name)
    side = int(case["in_ray_o"].shape[1] ** 0.5)
    origins, directions = pixel_rays(case.camera(), side)
    torch.testing.assert_close(origins, case["in_ray_o"], atol=2e-6, rtol=0)
    torch.testing.assert_close(directions, case["in_ray_d"], atol=2e-6, rtol=0)
