"""projects/threedgp/rendering/pose_labels.py"""

import math

import pytest
import torch
import torch.nn.functional as F

from projects.threedgp.models.cameras.camera_prior import CameraPrior
from projects.threedgp.rendering import Patch, PoseLabel
from projects.threedgp.rendering.pose_labels import pinhole, release_focal, sphere_pose

FRONT = torch.tensor([math.pi / 2])


@pytest.mark.parametrize("pixels", ["border", "center"])
@pytest.mark.parametrize("patch", [None, Patch(torch.full((3, 2), 0.5), torch.full((3, 2), 0.3))])
def test_the_same_camera_casts_the_same_rays(pixels, patch):
    camera = CameraPrior().sample(3)
    for ours, label in zip(
        camera.rays(4, patch, pixels), PoseLabel.of(camera).rays(4, patch, pixels), strict=True
    ):
        torch.testing.assert_close(ours, label, atol=2e-6, rtol=1e-5)


def test_a_label_is_its_own_label():
    pose = PoseLabel.of(CameraPrior().sample(2))
    assert PoseLabel.of(pose) is pose
    assert torch.equal(PoseLabel.made(pose.cam2world, pose.intrinsics).params, pose.params)
    assert torch.equal(pose[torch.tensor([1])].params, pose.params[1:])


class Elsewhere:
    """Something that casts rays and is no camera of ours."""

    params = torch.zeros(2, 3)

    def rays(self, resolution, patch=None, pixels="border"):
        raise NotImplementedError

    def __len__(self):
        return 2


def test_what_is_no_camera_has_no_label():
    with pytest.raises(TypeError, match="camera: got Elsewhere, wanted a Camera or a PoseLabel"):
        PoseLabel.of(Elsewhere())


def test_axes_are_right_down_and_forward():
    """From the front, +z, the image's right is +x and its lower half is -y."""
    pose = PoseLabel.made(sphere_pose(FRONT, FRONT, radius=2.0), pinhole(torch.tensor([1.0])))
    origins, directions = pose.rays(2)
    torch.testing.assert_close(origins[0, 0], torch.tensor([0.0, 0.0, 2.0]), atol=1e-6, rtol=0)
    signs = directions[0].sign()
    assert signs.tolist() == [[-1, 1, -1], [1, 1, -1], [-1, -1, -1], [1, -1, -1]]
    expected = F.normalize(torch.tensor([-0.25, 0.25, -1.0]), dim=0)
    torch.testing.assert_close(directions[0, 0], expected, atol=1e-6, rtol=0)


def test_skew_and_the_principal_point_move_rays():
    intrinsics = torch.tensor([[[2.0, 0.4, 0.6], [0.0, 4.0, 0.3], [0.0, 0.0, 1.0]]])
    pose = PoseLabel.made(torch.eye(4)[None], intrinsics)
    _, directions = pose.rays(4)
    # K (x, y, 1) are the positions of the pixels.
    seen = directions[0] / directions[0, :, 2:] @ intrinsics[0].T
    line = torch.tensor([0.125, 0.375, 0.625, 0.875])
    torch.testing.assert_close(seen[:, 0], line.repeat(4), atol=1e-6, rtol=0)
    torch.testing.assert_close(seen[:, 1], line.repeat_interleave(4), atol=1e-6, rtol=0)


def test_a_pose_looks_at_its_target():
    target = torch.tensor([0.1, -0.2, 0.3])
    pose = sphere_pose(torch.tensor([1.2, 2.0]), torch.tensor([1.4, 1.0]), 2.7, target)
    origin, forward = pose[:, :3, 3], pose[:, :3, 2]
    torch.testing.assert_close(origin.norm(dim=1), torch.full((2,), 2.7))
    torch.testing.assert_close(forward, F.normalize(target - origin, dim=1))
    torch.testing.assert_close(pose[:, :3, :3].det(), torch.ones(2))
    assert (pose[:, 1, 1] < 0).all(), "down is down"


def test_heights_of_the_helpers_are_no_angles():
    heights = torch.tensor([0.0, math.pi / 3, math.pi / 2, math.pi])
    cosines = sphere_pose(FRONT.expand(4), heights, radius=1.0)[:, 1, 3]
    torch.testing.assert_close(cosines, torch.tensor([1.0, 1 / 3, 0.0, -1.0]), atol=1e-4, rtol=0)


def test_focal_length_of_the_release():
    assert release_focal(torch.tensor([18.837])).item() == pytest.approx(4.2647, abs=2e-3)
