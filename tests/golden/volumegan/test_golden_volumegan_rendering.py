"""Cases a (cameras and points) and e (marching, and rays of the whole field)."""

from dataclasses import replace

import pytest
import torch

from projects.threedgp.rendering import Camera, RayMarching, camera_to_world, pixel_rays, render_rays
from projects.threedgp.rendering.volume_rendering import march
from tests.golden.volumegan.helpers import JITTERS, drawn_camera, golden_volumegan, ray_draws, renderer

QUARTER = torch.pi / 2
MODES = {"jitter_default": None, "no_jitter": "none", "mid": "mid"}


@pytest.mark.parametrize("run", ["config", *MODES])
def test_points(golden, run):
    case = golden("volumegan/case_a_points")
    yaw, pitch = case[f"rng_{run}_00_yaw"], case[f"rng_{run}_01_pitch"]
    camera = drawn_camera(case.config, case.config["ps"]["camera_dist"], yaw, pitch)
    side, steps = case.values["resolution"], case.config["ps"]["num_steps"]
    origins, directions = pixel_rays(camera, side)
    jitter = torch.full((len(yaw), side, side, steps, 1), torch.nan, dtype=torch.float64)
    if f"rng_{run}_02_jitter_u" in case:
        jitter = case[f"rng_{run}_02_jitter_u"].double()
    mode = JITTERS[MODES.get(run, case.config["ps"]["perturb_mode"])]
    options = marching(case.config, jitter=mode)
    t = options.span(origins, directions).at(options.place(ray_draws(jitter).stratified))
    points = origins[:, :, None] + t[..., None] * directions[:, :, None]
    prefix = f"out_{run}_"
    case.check(prefix, pts=points, pts_z=t)
    check_cameras(case, prefix, camera)


@pytest.mark.parametrize("form", ["gaussian", "uniform", "spherical", "truncated"])
def test_prior(golden, form):
    case = golden("volumegan/case_a_points")
    camera = drawn_camera(case.config, form, case[f"rng_{form}_00_yaw"], case[f"rng_{form}_01_pitch"])
    check_cameras(case, f"out_{form}_", camera)


def test_cameras_at_given_places(golden):
    case = golden("volumegan/case_a_points")
    x, y, z = case["in_cam_pos"].double().unbind(dim=1)
    radius, zero = torch.stack([x, y, z]).norm(dim=0), torch.zeros_like(x)
    camera = Camera.of(
        yaw=torch.atan2(-x, z),
        pitch=torch.arccos(y / radius),
        roll=zero,
        fov_deg=zero + 12,
        radius=radius,
        look_at_yaw=zero,
        look_at_pitch=zero,
        look_at_radius=zero,
    )
    cam2world = camera_to_world(camera)
    case.check(cam2world=cam2world, cam2world_opencv=cam2world * torch.tensor([1, -1, -1, 1]))


def check_cameras(case, prefix, camera):
    """Angles and rays; their yaw 0 is our -x, so that the same angle is a quarter turn less here."""
    origins, directions = pixel_rays(camera, case.values["resolution"])
    yaw = camera.yaw + QUARTER
    case.check(
        prefix, ray_dirs=directions, ray_origins=origins[:, 0], yaw=yaw[:, None], pitch=camera.pitch[:, None]
    )


def marching(config, **changes):
    """How the files march rays."""
    options = {k: v for k, v in renderer(config).items() if k != "density_noise"}
    return RayMarching(**options | changes)


MARCHES = {
    "relu": dict(density="relu"),
    "softplus": dict(density="softplus"),
    "mip": dict(density="shifted_softplus"),
    "last_back": dict(last_back=True),
    "max_depth": dict(end=1.25),
    "white": dict(end=1.25, background=1.0),
    "noise": {},
}


@pytest.mark.parametrize("name", MARCHES)
def test_marching(golden, name):
    case = golden("volumegan/case_e_render")
    options = replace(marching(case.config), **MARCHES[name])
    features, sigma, t = (case[f"in_{key}"].double().flatten(1, 2) for key in ("feature", "sigma", "depth"))
    if name == "noise":
        sigma = sigma + case.values["noise_std"] * case["rng_noise_00_density_noise"].double()
    assert options.end in (None, case.values["max_depth"])
    out = march(features, sigma[..., 0], t[..., 0], options)
    results = dict(feature=out.features, depth=out.depth, weights=out.weights)
    prefix = f"out_{name}_"
    case.check(prefix, **{key: value for key, value in results.items() if prefix + key in case})


def test_rays_of_the_field(golden):
    case = golden("volumegan/case_e_render")
    generator, side = golden_volumegan(), case.config["nerf_res"]
    form = case.config["ps"]["camera_dist"]
    camera = drawn_camera(case.config, form, case["rng_full_00_yaw"], case["rng_full_01_pitch"])
    radiance = generator.field(case["in_wp"].double())
    draws = ray_draws(case["rng_full_02_jitter_u"].double(), case["rng_full_04_importance_u"].double())
    asked = []

    def field(points):
        asked.append((points, radiance(points)))
        return asked[-1][1]

    origins, directions = generator.renderer.rays(camera, side)
    out = render_rays(field, origins, directions, generator.marching, draws)
    (coarse, (_, sigma_coarse)), (fine, (_, sigma_fine)) = asked
    distance = lambda points: (points.unflatten(1, (side**2, -1)) - origins[:, :, None]).norm(dim=-1)  # noqa: E731
    case.check(
        "out_full_",
        pts_z=distance(coarse),
        fine_z=distance(fine),
        sigma_coarse=sigma_coarse,
        sigma_fine=sigma_fine,
        weights=out.weights,
        depth=out.depth,
        feature_image=out.features.mT,
        yaw=camera.yaw[:, None] + QUARTER,
        pitch=camera.pitch[:, None],
    )
