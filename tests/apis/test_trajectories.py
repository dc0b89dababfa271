"""Camera paths around the mean camera."""

import math

import pytest
import torch

from projects.threedgp.apis.trajectories import TRAJECTORIES, make_trajectory
from projects.threedgp.rendering import CAMERA_FIELDS, Camera, pixel_rays
from projects.threedgp.rendering.cameras import camera_origin, look_at_point

MEAN = Camera(torch.tensor([[0.1, math.pi / 2, 0.0, 20.0, 1.0, 0.3, 1.2, 0.1]]))
YAW, PITCH, FOV = (CAMERA_FIELDS.index(name) for name in ("yaw", "pitch", "fov_deg"))
KEPT = [i for i in range(8) if i not in (YAW, PITCH, FOV)]


def offsets(name, num_frames, **options):
    return make_trajectory(name, MEAN, num_frames, **options).params - MEAN.params


def test_front_circle_is_the_papers():
    moved = offsets("front_circle", 12)
    phase = 2 * math.pi * torch.arange(12) / 12
    torch.testing.assert_close(moved[:, YAW], 0.5 * phase.sin(), atol=1e-5, rtol=0)
    torch.testing.assert_close(moved[:, PITCH], 0.3 * phase.cos(), atol=1e-5, rtol=0)
    torch.testing.assert_close(moved[:, FOV], phase.sin(), atol=1e-5, rtol=0)


def test_front_circle_is_centred_and_closes():
    params = make_trajectory("front_circle", MEAN, 60).params
    torch.testing.assert_close(params.mean(dim=0, keepdim=True), MEAN.params, atol=1e-5, rtol=0)
    steps = (params.roll(-1, dims=0) - params)[:, [YAW, PITCH]].norm(dim=1)
    assert steps[-1] <= steps.max()  # the step from the last frame to the first is like any other
    assert steps.min() > 0


def test_line_goes_from_side_to_side():
    moved = offsets("line", 5)
    torch.testing.assert_close(moved[:, YAW], torch.tensor([-0.5, -0.25, 0.0, 0.25, 0.5]))
    assert moved[:, PITCH].abs().max() == 0


def test_wiggle_goes_up_and_down_on_the_way():
    moved = offsets("wiggle", 9, pitch=0.2)
    assert torch.all(moved[1:, YAW] > moved[:-1, YAW])
    torch.testing.assert_close(moved[[0, 4, 8], PITCH], torch.zeros(3), atol=1e-6, rtol=0)
    assert moved[2, PITCH] == pytest.approx(0.2, abs=1e-6)
    assert moved[6, PITCH] == pytest.approx(-0.2, abs=1e-6)


def test_point_stays():
    assert offsets("point", 4).abs().max() == 0


def test_points_holds_each_view_for_the_same_time():
    _, counts = torch.unique_consecutive(offsets("points", 20), dim=0, return_counts=True)
    assert counts.tolist() == [4] * 5


@pytest.mark.parametrize("name", TRAJECTORIES)
@pytest.mark.parametrize("num_frames", [1, 7])
def test_every_camera_looks_at_the_same_point(name, num_frames):
    cameras = make_trajectory(name, MEAN, num_frames)
    assert cameras.params.shape == (num_frames, 8)
    torch.testing.assert_close(cameras.params[:, KEPT], MEAN.params[:, KEPT].expand(num_frames, -1))
    origins, directions = pixel_rays(cameras, resolution=3)
    torch.testing.assert_close(origins[:, 4], camera_origin(cameras))
    to_point = look_at_point(cameras) - origins[:, 4]
    along = (to_point * directions[:, 4]).sum(dim=1)
    torch.testing.assert_close(along, to_point.norm(dim=1))


def test_pitch_stays_off_the_poles():
    high = Camera(torch.tensor([[0.0, 0.1, 0.0, 20.0, 1.0, 0.0, 1.0, 0.0]]))
    pitch = make_trajectory("front_circle", high, 16).params[:, PITCH]
    assert pitch.min() > 0 and pitch.max() < math.pi


def test_errors_name_what_was_wanted():
    with pytest.raises(ValueError, match=r"trajectory: got 'spiral', wanted one of .*front_circle"):
        make_trajectory("spiral", MEAN, 4)
    with pytest.raises(ValueError, match="num_frames: got 0"):
        make_trajectory("line", MEAN, 0)
    with pytest.raises(ValueError, match="mean: got 2 cameras, wanted 1"):
        make_trajectory("line", Camera(MEAN.params.repeat(2, 1)), 4)
