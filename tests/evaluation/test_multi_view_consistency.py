"""projects/threedgp/evaluation/multi_view_consistency.py"""

from types import SimpleNamespace

import pytest
import torch
from mmagic.registry import METRICS, MODELS
from torch.utils.data import DataLoader

from projects.threedgp.evaluation import view_errors
from projects.threedgp.evaluation.multi_view_consistency import far_margin
from projects.threedgp.models.generator import GeneratorOutput
from projects.threedgp.rendering import RayDraws, RayMarching, pixel_rays, render_rays
from tests import tiny_runs
from tests.tiny import frontal_camera
from tests.view_scenes import PLANE, SPHERE


class SceneModel(torch.nn.Module):
    """Shows a scene in closed form, its depth changed by ``wrong``, and takes down what it is asked for."""

    data_preprocessor = None

    def __init__(self, scene, wrong=lambda depth: depth):
        super().__init__()
        self.scene, self.wrong, self.asked = scene, wrong, []

    def generator_of(self, kind):
        return SimpleNamespace(marching=RayMarching())

    def sample(self, z, label, camera, sampling, sample_model):
        self.asked.append(dict(label=label, yaw=camera.params[:, 0], sampling=sampling, kind=sample_model))
        rgb, depth = self.scene(camera, 33)
        ws = torch.zeros(len(camera), 1, 1)
        return GeneratorOutput(2 * rgb - 1, self.wrong(depth), None, camera, ws=ws)


def prepared(model, **arguments):
    metric = METRICS.build(dict(type="MultiViewConsistency", fake_nums=2, prefix="views", **arguments))
    metric.prepare(model, DataLoader([0]))
    return metric


def samples(labels=(3, 5)) -> list[dict]:
    cameras = [frontal_camera(yaw=yaw, fov_deg=30.0).params[0] for yaw in (0.0, 0.2)]
    return [
        dict(camera=camera, noise=torch.zeros(4), gt_label=dict(label=torch.tensor([label])))
        for camera, label in zip(cameras, labels, strict=True)
    ]


def evaluated(scene, wrong=lambda depth: depth, **arguments) -> dict[str, float]:
    metric = prepared(SceneModel(scene, wrong), **arguments)
    metric.process({}, samples())
    return {key.removeprefix("views/"): value for key, value in metric.evaluate().items()}


def test_a_surface_is_consistent_with_itself():
    values = evaluated(PLANE, angle=0.1)
    assert values["psnr"] > 45 and values["l1"] < 0.005
    assert 0.8 < values["visible"] < 1, "what leaves the other picture is not visible"
    assert values["left_out"] == 0


def test_the_back_of_a_sphere_is_hidden_and_its_surroundings_are_no_surface():
    values = evaluated(SPHERE, angle=0.3)
    assert values["psnr"] > 30
    assert 0.7 < values["visible"] < 1
    assert evaluated(SPHERE, angle=0.9)["visible"] < values["visible"] - 0.1


def test_wrong_depth_is_clearly_worse():
    right = evaluated(SPHERE)
    flat = evaluated(SPHERE, lambda depth: torch.where(depth < 1.2, 1.0, depth))
    assert flat["psnr"] < right["psnr"] - 8
    assert flat["l1"] > 4 * right["l1"]


def test_samples_without_a_surface_are_counted_and_left_out():
    values = evaluated(PLANE, margin=0.4)
    assert values["left_out"] == 2
    assert all(value != value for value in (values["psnr"], values["l1"], values["visible"]))


def test_views_are_half_the_angle_to_either_side_of_the_posterior_camera():
    model = SceneModel(PLANE)
    kwargs = dict(truncation_psi=0.5, camera="mean", noise_mode="random", marching=dict(num_coarse=7))
    prepared(model, angle=0.4, sample_kwargs=kwargs).process({}, samples())
    first, second = model.asked
    torch.testing.assert_close(first["yaw"], torch.tensor([-0.2, 0.0]))
    torch.testing.assert_close(second["yaw"], torch.tensor([0.2, 0.4]))
    for asked in model.asked:
        assert asked["label"].tolist() == [3, 5] and asked["kind"] == "ema"
        assert asked["sampling"].truncation_psi == 0.5 and asked["sampling"].marching.num_coarse == 7
        assert asked["sampling"].noise_mode == "const" and asked["sampling"].deterministic


@pytest.mark.parametrize("num_classes", [None, 5])
def test_a_model_agrees_with_itself_from_the_same_place(num_classes):
    """Also one that draws its rays and noise anew in evaluation."""
    model = MODELS.build(tiny_runs.model(num_classes=num_classes, deterministic_eval=False))
    metric = prepared(model, angle=0.0, margin=-1.0)
    metric.process({}, [each.to_dict() for each in model(dict(num_batches=2, sample_kwargs={}))])
    values = metric.evaluate()
    assert values["views/psnr"] > 90 and values["views/visible"] == 1


def test_errors_are_those_of_the_compared_pixels():
    first, second = torch.zeros(1, 3, 2, 2), torch.full((1, 3, 2, 2), 0.1)
    second[..., 1, :] = torch.nan
    visible = torch.tensor([[True, True], [False, False]])[None, None]
    surface = torch.tensor([[True, False], [True, False]])[None, None]
    psnr, l1, share = view_errors(first, second, visible, surface)[0].tolist()
    assert (psnr, l1, share) == (pytest.approx(20, abs=1e-4), pytest.approx(0.1), 0.5)


def test_equal_pictures_have_a_hundred_decibels():
    image, everywhere = torch.rand(1, 3, 2, 2), torch.ones(1, 1, 2, 2, dtype=torch.bool)
    assert view_errors(image, image, everywhere, everywhere)[0].tolist() == [pytest.approx(100), 0, 1]


def test_empty_rays_end_beyond_the_margin():
    marching = RayMarching(num_coarse=6, num_fine=6)
    origins, directions = pixel_rays(frontal_camera(), 4)

    def empty(points):
        return torch.zeros_like(points), torch.full_like(points[..., :1], -20.0)

    def wall(points):
        return torch.zeros_like(points), torch.where(points[..., 2:] < -0.05, 1e4, -20.0)

    horizon = marching.far - far_margin(marching)
    for draws in (RayDraws.deterministic(origins, marching), RayDraws.random(origins, marching)):
        assert (render_rays(empty, origins, directions, marching, draws).depth >= horizon - 1e-6).all()
        assert (render_rays(wall, origins, directions, marching, draws).depth < horizon).all()


def test_a_tolerance_of_nothing_is_refused():
    with pytest.raises(ValueError, match="depth_tolerance: got 0"):
        METRICS.build(dict(type="MultiViewConsistency", depth_tolerance=0))
