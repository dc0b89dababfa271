"""Case a: rays of pose labels, EG3D's pose helpers, and the box around the scene."""

import torch

from projects.threedgp.rendering import PoseLabel
from projects.threedgp.rendering.pose_labels import pinhole, release_focal, sphere_pose
from projects.threedgp.rendering.ray_samples import box_limits


def test_rays(golden):
    case = golden("eg3d/case_a_camera")
    pose = PoseLabel.made(case["in_cam2world"].double(), case["in_intrinsics"].double())
    origins, directions = pose.rays(case.values["ray_resolution"])
    case.check(ray_o=origins, ray_d=directions)


def test_pose_helpers(golden):
    case = golden("eg3d/case_a_camera")
    for name in ("gaussian", "lookat", "uniform"):
        values = case.values[name]
        angles = []
        for axis in ("h", "v"):
            kind, _, index = values[f"mean_{axis}"].partition("[")
            draw = case[f"rng_pose_{name}_{axis}"].double()[:, 0]
            spread = (
                values[f"half_{axis}"] * (2 * draw - 1) if name == "uniform" else values[f"std_{axis}"] * draw
            )
            angles.append(case[kind].double()[int(index[:-1])] + spread)
        target = case[values["target"]].double() if "target" in values else None
        case.check(**{f"{name}_pose": sphere_pose(*angles, values["radius"], target)})
    case.check(intrinsics_fov=pinhole(release_focal(torch.tensor(case.values["fovs"]))))


def test_box(golden):
    case = golden("eg3d/case_a_camera")
    pose = PoseLabel.made(case["in_cam2world"].double(), case["in_intrinsics"].double())
    near, far = box_limits(*pose.rays(case.values["box_ray_resolution"]), case.values["box_side"])
    case.check(box_near=near, box_far=far)
