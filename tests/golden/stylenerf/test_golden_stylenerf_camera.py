"""Case a: cameras, rays, points of both layers, and the pixels of the NeRF-path term."""

import pytest
import torch
from torch.special import ndtr

from projects.threedgp.models.cameras.camera_prior import CameraPrior
from projects.threedgp.models.losses.nerf_path_regularizer import pixel_grid
from projects.threedgp.rendering import Patch, camera_to_world, inverse_sphere_points, patch_positions
from tests.golden.stylenerf.helpers import AXES, View, camera, golden_stylenerf, prior_config, tangent

KEYS = ("u", "v", "radius")


def to_theirs(vectors):
    """Vectors of our world in theirs."""
    return vectors[..., [2, 0, 1]]


def matrices(cameras):
    """Their camera-to-world matrices of our cameras."""
    ours = camera_to_world(cameras)
    return torch.cat([ours[:, [2, 0, 1]], ours[:, 3:]], dim=1)


def ranges(case):
    return torch.tensor([case.config["camera"][f"range_{key}"] for key in KEYS], dtype=torch.float64)


def fractions(case, cameras):
    """Where the numbers of cameras lie in their ranges; 0 in a range without length."""
    low, high = ranges(case).unbind(dim=1)
    numbers = torch.stack([-cameras.yaw, cameras.pitch, cameras.radius], dim=1)
    return torch.where(high > low, (numbers - low) / (high - low), 0)


@pytest.mark.parametrize("name", ["random", "other"])
def test_prior_cameras(golden, name):
    case = golden("stylenerf/case_a_camera")
    gaussian = case.config["camera"]["gaussian_camera"] == (name == "random")
    draws = torch.full((3, 8), 0.5).double()
    for i, (key, column) in enumerate(zip(("u", "v", "radius_u"), (0, 1, 4), strict=True)):
        drawn = case[f"rng_{name}_{i:02}_camera_{key}"].double()
        # Our yaw runs the other way; a normal draw is made a uniform one.
        drawn = -drawn if gaussian and key == "u" else drawn
        drawn = ndtr(drawn) if gaussian and key != "radius_u" else drawn
        draws[:, column] = 1 - drawn if not gaussian and key == "u" else drawn
    prior = CameraPrior(**prior_config(case.config["camera"], gaussian))
    cameras = prior.from_uniform(draws)
    case.check(f"out_{name}_", cam2world=matrices(cameras), uvr=fractions(case, cameras))


def test_given_cameras(golden):
    case = golden("stylenerf/case_a_camera")
    low, high = ranges(case).unbind(dim=1)
    fixed = low + torch.tensor(case.values["fixed_mode"]) * (high - low)
    factor, start = ((high - low) / 2, (high + low) / 2)
    if not case.config["camera"]["gaussian_camera"]:
        factor, start = high - low, low
    given = torch.cat([case["in_uv"].double(), torch.zeros(2, 1)], dim=1) * factor + start
    given[:, 2] = ((low + high) / 2)[2]
    fov = tangent(golden)
    exact = torch.tensor(case.config["camera"]["fov"] / 2).deg2rad().tan().item()
    case.check(inverse_intrinsics=torch.diag(torch.tensor([exact, exact, 1, 1])))
    case.check(
        fixed_cam2world=matrices(camera(*fixed[:, None], fov)),
        tensor_cam2world=matrices(camera(*given.T, fov)),
    )


def test_rays_are_measured_along_the_optical_axis(golden):
    case = golden("stylenerf/case_a_camera")
    view = View(case["in_cam2world"], tangent(golden))
    origins, vectors = golden_stylenerf().renderer.rays(view, case.values["volume_resolution"])
    depth = case["in_depth"].double()[..., None]
    case.check(
        origins=to_theirs(origins[:, :1]),
        rays=to_theirs(vectors),
        points=to_theirs(origins[:, :, None] + depth * vectors[:, :, None]),
        pixel_points=to_theirs(origins + vectors),
    )


def test_points_outside_the_unit_sphere(golden):
    case = golden("stylenerf/case_a_camera")
    view = View(case["in_cam2world"], tangent(golden))
    origins, vectors = golden_stylenerf().renderer.rays(view, case.values["volume_resolution"])
    unit = vectors / vectors.norm(dim=-1, keepdim=True)
    points = inverse_sphere_points(origins, unit, case["in_inverse_depth"].double())
    case.check(background_points=points[..., [2, 0, 1, 3]])


def test_pixels(golden):
    case = golden("stylenerf/case_a_camera")
    small, large = case.values["volume_resolution"], case.values["target_resolution"]
    volume, target = (patch_positions(Patch.full(1), side, "center").double() for side in (small, large))
    case.check(vol_pixels=volume.flatten(1, 2), target_pixels=target.permute(0, 3, 1, 2))


def test_pixels_of_the_nerf_path_term(golden):
    case = golden("stylenerf/case_a_camera")
    side, count = case.values["target_resolution"], case.values["n_reg_samples"]
    patch, rows, columns = pixel_grid(case["rng_reg_00_reg_pixel_u"].double(), side, count)
    pixels = patch_positions(patch, count, "center").flatten(1, 2)
    case.check(reg_pixels=pixels)
    assert torch.equal((rows * side + columns).flatten(1), case["out_reg_indices"].long())


def test_axes():
    assert torch.equal(to_theirs(torch.tensor([7.0, 8.0, 9.0])[AXES]), torch.tensor([7.0, 8.0, 9.0]))
