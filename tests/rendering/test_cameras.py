"""projects/threedgp/rendering/cameras.py"""

import math

import pytest
import torch

from projects.threedgp.models.cameras.camera_prior import CameraPrior
from projects.threedgp.rendering import CAMERA_FIELDS, Camera, Patch, camera_to_world, pixel_rays
from projects.threedgp.rendering.cameras import camera_origin, look_at_point
from tests.tiny import frontal_camera


@pytest.fixture
def cameras():
    return CameraPrior().sample(20)


@pytest.mark.parametrize(
    "angles, place",
    [
        (dict(yaw=0.0), [0.0, 0.0, 1.0]),
        (dict(yaw=math.pi / 2), [-1.0, 0.0, 0.0]),
        (dict(pitch=0.5 * math.pi / 2), [0.0, math.sqrt(0.5), math.sqrt(0.5)]),
        (dict(radius=2.0), [0.0, 0.0, 2.0]),
    ],
)
def test_where_a_camera_stands(angles, place):
    torch.testing.assert_close(
        camera_origin(frontal_camera(**angles))[0], torch.tensor(place), atol=1e-6, rtol=0
    )


def test_rotation_is_orthonormal_and_right_handed(cameras):
    rotation = camera_to_world(cameras)[:, :3, :3]
    torch.testing.assert_close(rotation.mT @ rotation, torch.eye(3).expand(20, 3, 3))
    torch.testing.assert_close(torch.linalg.det(rotation), torch.ones(20))
    assert (rotation[:, 1, 0].abs() < 1e-6).all(), "right is horizontal: there is no roll"
    assert (rotation[:, 1, 1] > 0).all(), "up points up"


@pytest.mark.parametrize("n", [1, 2, 3, 4])
def test_a_camera_is_the_same_in_any_company(cameras, n):
    """Also among three, where an axis of the world and the batch cannot be told apart by their length."""
    together = camera_to_world(cameras[:n])
    alone = torch.cat([camera_to_world(cameras[i : i + 1]) for i in range(n)])
    torch.testing.assert_close(together, alone)


def test_central_ray_meets_the_point_looked_at(cameras):
    origins, directions = pixel_rays(cameras, 5)
    towards = look_at_point(cameras) - origins[:, 12]
    torch.testing.assert_close(
        directions[:, 12], torch.nn.functional.normalize(towards, dim=-1), atol=1e-5, rtol=0
    )


def test_outermost_rays_span_the_field_of_view(cameras):
    _, directions = pixel_rays(cameras, 5)
    left, right, top, bottom = (directions[:, i] for i in (10, 14, 2, 22))
    for a, b in ((left, right), (top, bottom)):
        angle = torch.rad2deg(torch.arccos((a * b).sum(-1)))
        torch.testing.assert_close(angle, cameras.fov_deg, atol=1e-2, rtol=0)


def test_a_point_is_found_in_its_pixel(cameras):
    """Project points into the image, then cast the ray of that pixel: it meets the point."""
    resolution = 129
    points = 0.05 * torch.randn(20, 3) + look_at_point(cameras)
    world2cam = torch.linalg.inv(camera_to_world(cameras))
    in_camera = (world2cam[:, :3, :3] @ points[..., None]).squeeze(-1) + world2cam[:, :3, 3]
    focal = 1 / torch.tan(torch.deg2rad(cameras.fov_deg) / 2)
    xy = focal[:, None] * in_camera[:, :2] / -in_camera[:, 2:]
    inside = xy.abs().amax(dim=1) < 1
    assert inside.sum() > 5
    column = ((xy[:, 0] + 1) / 2 * (resolution - 1)).round().long()
    row = ((1 - xy[:, 1]) / 2 * (resolution - 1)).round().long()
    for i in inside.nonzero().flatten().tolist():
        origins, directions = pixel_rays(cameras[i : i + 1], resolution)
        ray = row[i] * resolution + column[i]
        origin, direction = origins[0, ray], directions[0, ray]
        along = (points[i] - origin) @ direction
        half_a_pixel = -in_camera[i, 2] / focal[i] / (resolution - 1)
        assert (origin + along * direction - points[i]).norm() <= 2**0.5 * half_a_pixel + 1e-5


def test_directions_are_unit_vectors(cameras):
    _, directions = pixel_rays(cameras, 4)
    torch.testing.assert_close(directions.norm(dim=-1), torch.ones(20, 16))


def test_patch_rays_are_those_of_the_whole_image():
    """The lower left quarter of 9 x 9 pixel centres is a 5 x 5 patch of scale 1/2."""
    camera = CameraPrior().sample(3)
    patch = Patch(torch.full((3, 2), 0.5), torch.zeros(3, 2))
    _, whole = pixel_rays(camera, 9)
    _, part = pixel_rays(camera, 5, patch)
    corner = whole.reshape(3, 9, 9, 3)[:, 4:, :5]
    torch.testing.assert_close(part.reshape(3, 5, 5, 3), corner)


def test_cameras_can_be_selected():
    camera = Camera(torch.arange(24.0).reshape(3, 8))
    assert len(camera[1:]) == 2
    assert torch.equal(camera[torch.tensor([2])].angles, torch.tensor([[16.0, 17.0, 18.0]]))


def test_numbers_have_names():
    camera = Camera(torch.arange(16.0).reshape(2, 8))
    for column, name in enumerate(CAMERA_FIELDS):
        assert torch.equal(getattr(camera, name), torch.tensor([column, column + 8.0]))
    assert torch.equal(camera.look_at, torch.tensor([[5.0, 6, 7], [13, 14, 15]]))
    moved = camera.replace(fov_deg=torch.tensor([20.0, 30.0]))
    assert moved.fov_deg.tolist() == [20, 30] and camera.fov_deg.tolist() == [3, 11]
    kept = [i for i in range(8) if i != 3]
    assert torch.equal(moved.params[:, kept], camera.params[:, kept])


def test_unknown_and_missing_fields_are_named():
    with pytest.raises(TypeError, match=r"camera fields: missing or unknown are \['fov'\]"):
        frontal_camera().replace(fov=torch.ones(1))
    with pytest.raises(TypeError, match=r"missing or unknown are .*'look_at_yaw'"):
        Camera.of(yaw=torch.ones(1))
