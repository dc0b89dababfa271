"""Case e: rays through tri-planes, with the options of the renderer."""

import pytest
import torch

from projects.threedgp.rendering import PoseLabel, render_rays
from tests.golden.eg3d.helpers import golden_eg3d, ray_draws

OPTIONS = {
    "release": {},
    "fixed_axes": {},
    "coarse_only": dict(num_fine=0),
    "white": dict(white_back=True),
    "disparity": dict(spacing="disparity"),
    "auto_box": dict(ray_box=1.0),
    "density_noise": {},
}


@pytest.mark.parametrize("name", OPTIONS)
def test_variant(golden, name):
    case = golden("eg3d/case_e_render")
    assert set(case.values["variants"]) == set(OPTIONS)
    options = dict(OPTIONS[name])
    if name == "auto_box":
        options["ray_box"] = case.config["rendering"]["box_warp"]
    generator = golden_eg3d(**options)
    if name == "fixed_axes":
        generator.field.axes = ("xy", "xz", "zy")
    pose = PoseLabel(case["in_c"].double())
    if name == "auto_box":
        params = pose.params.clone()
        params[:, [16, 20]] = case.values["auto_box_focal"]
        pose = PoseLabel(params)
    asked = []
    radiance = generator.field.radiance(case["in_planes"].double())

    def field(points):
        features, sigma = radiance(points)
        asked.append((points, features, sigma))
        return features, sigma

    draws = ray_draws(case, f"rng_{name}_", case.values["variants"][name].get("density_noise", 0.0))
    origins, directions = generator.renderer.rays(pose, case.values["resolution"])
    marching = generator.marching
    out = render_rays(field, origins, directions, marching, draws)
    n, rays = origins.shape[:2]
    depths = [
        ((p.unflatten(1, (rays, -1)) - origins[:, :, None]) * directions[:, :, None]).sum(-1)
        for p, *_ in asked
    ]
    results = dict(
        features=out.features,
        depth=out.depth,
        weight_sum=out.weights.sum(dim=-1),
        depths_coarse=depths[0],
    )
    if marching.num_fine:
        results["depths_fine"] = depths[1]
        results["weights_coarse"] = coarse_weights(asked[0], depths[0], marching, draws)
    sigma = asked[0][2].reshape(n, rays, -1)
    noisy = sigma if draws.coarse_noise is None else sigma + draws.coarse_noise
    if name in ("release", "density_noise"):
        results["sigma_coarse"] = noisy
    if name == "release":
        _, order = torch.cat(depths, dim=-1).sort(dim=-1)
        merged = torch.cat([sigma, asked[1][2].reshape(n, rays, -1)], dim=-1).gather(-1, order)
        results |= dict(
            rgb_coarse_first_ray=asked[0][1][:, : marching.num_coarse],
            weights_final=out.weights,
            depths_merged=out.distances,
            densities_merged=merged,
        )
    case.check(f"out_{name}_", **results)


def coarse_weights(seen, depths, marching, draws):
    """Weights of the first pass alone."""
    from projects.threedgp.rendering.volume_rendering import march

    _, features, sigma = seen
    sigma = sigma.reshape(depths.shape)
    sigma = sigma if draws.coarse_noise is None else sigma + draws.coarse_noise
    return march(features.reshape(*depths.shape, -1), sigma, depths, marching).weights
