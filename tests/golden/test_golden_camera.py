"""Cases a (geometry) and g (prior and camera generator)."""

import pytest
import torch

from projects.threedgp.models.cameras.camera_generator import CameraGenerator
from projects.threedgp.models.cameras.camera_prior import CameraPrior, Distribution
from projects.threedgp.rendering import Camera, camera_to_world, pixel_rays
from projects.threedgp.rendering.cameras import camera_origin, look_at_point
from tests.golden.helpers import golden_generator

SETS = pytest.mark.parametrize("suffix", ["", "_uncond"])


def test_geometry(golden):
    case = golden("case_a_camera")
    camera = case.camera()
    full_o, full_d = pixel_rays(camera, case.values["full_resolution"])
    patch_o, patch_d = pixel_rays(camera, case.values["patch_resolution"], case.patch())
    case.check(
        c2w=camera_to_world(camera),
        origin=camera_origin(camera),
        look_at_point=look_at_point(camera),
        full_ray_o=full_o,
        full_ray_d=full_d,
        patch_ray_o=patch_o,
        patch_ray_d=patch_d,
    )


def test_one_field_of_view_for_all(golden):
    case = golden("case_a_camera")
    camera = case.camera()
    camera = camera.replace(fov_deg=torch.full_like(camera.fov_deg, case.values["scalar_fov"]))
    origins, directions = pixel_rays(camera, case.values["scalar_fov_resolution"])
    case.check(scalar_fov_ray_o=origins, scalar_fov_ray_d=directions)


@SETS
def test_prior(golden, suffix):
    case = golden(f"case_g_camera_adaptor{suffix}")
    prior = golden_generator(not suffix).prior
    camera = prior.from_uniform(case.prior_draws("rng_prior_u_"))
    case.check(
        prior_from_draws_angles=camera.angles,
        prior_from_draws_fov=camera.fov_deg,
        prior_from_draws_radius=camera.radius,
        prior_from_draws_look_at=camera.look_at,
        mean_angles=prior.mean().angles,
    )


@SETS
@pytest.mark.parametrize("form", ["normal", "spherical"])
def test_other_priors(golden, suffix, form):
    case = golden(f"case_g_camera_adaptor{suffix}")
    values = case.values[f"{form}_prior"]
    columns = []
    for axis in ("yaw", "pitch"):
        distribution = Distribution(axis, values["dist"], **values[axis])
        if form == "normal":
            # The draws are normal; in float64 the way through their quantiles loses nothing.
            u = torch.special.ndtr(case[f"rng_normal_prior_n_{axis}"].double())
        else:
            u = case[f"rng_spherical_prior_u_{axis}"]
        columns.append(distribution.from_uniform(u.flatten()))
    angles = torch.stack([*columns, torch.zeros_like(columns[0])], dim=1)
    case.check(**{f"{form}_prior_angles": angles})


@SETS
def test_camera_generator(golden, suffix):
    case = golden(f"case_g_camera_adaptor{suffix}")
    net = golden_generator(not suffix).camera_generator
    prior, z, label = case.camera("in_prior_"), case["in_z"], case.label()
    raw = net.raw(prior, z, label)
    case.check(
        prior_normalised=net.normalize(prior).params,
        raw_posterior=raw.params,
        denormalised_posterior=net.denormalize(raw).params,
        posterior=net(prior, z, label).params,
    )
    case.check_columns("out_raw_posterior", raw.params)
    case.check_columns("out_denormalised_posterior", net.denormalize(raw).params)
    case.check_columns("out_posterior", net(prior, z, label).params)


@SETS
def test_look_at_radius_starts_at_the_pitch_minimum(golden, suffix):
    case = golden(f"case_g_camera_adaptor{suffix}")
    quirk = case.values["quirk"]
    prior = CameraPrior(
        look_at_pitch=dict(dist="spherical_uniform", min=quirk["look_at_pitch_min"], max=3.14159265),
        look_at_radius=dict(dist="uniform", min=quirk["look_at_radius_min"], max=quirk["look_at_radius_max"]),
    )
    net = CameraGenerator(prior, 32, None, 8, 8, official_compat=True)
    case.check(quirk_look_at_radius=net.denormalize(Camera(case["out_raw_posterior"])).look_at_radius)
