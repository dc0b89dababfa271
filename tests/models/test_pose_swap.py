"""projects/threedgp/models/pose_swap.py, and what becomes of poses in a training step."""

import pytest
import torch
from mmagic.registry import MODELS
from mmengine.registry import init_default_scope

from projects.threedgp.models import GeneratorInput, PoseSwap
from projects.threedgp.rendering import POSE_DIM, Camera, PoseLabel
from projects.threedgp.training.batches import RealBatch
from projects.threedgp.training.draws import Draws
from tests.fixed_draws import local_batch, sgd
from tests.tiny import frontal_camera, tiny_generator, tiny_model_config

POSES = torch.arange(4.0)[:, None].expand(4, 2)


@pytest.fixture(autouse=True)
def mmagic_scope():
    init_default_scope("mmagic")


def test_a_swapped_sample_is_told_the_pose_of_the_one_before():
    swap = PoseSwap(prob=dict(start=1.0, end=0.5, over_kimg=100))
    draws = torch.tensor([[0.1], [0.6], [0.3], [0.9]])
    assert swap(POSES, draws, kimg=0.0)[:, 0].tolist() == [3, 0, 1, 2]
    assert swap(POSES, draws, kimg=100.0)[:, 0].tolist() == [3, 1, 1, 3]
    assert swap(POSES, torch.tensor([[0.7]]), kimg=60.0)[:, 0].tolist() == [0, 1, 2, 3]
    assert swap.schedules(50.0) == {"pose_swap_prob": 0.75}


def posed_model(**changes):
    """A model whose mapping and discriminator are told poses."""
    config = tiny_model_config(
        **dict(patch_sampler=None, distillation=None, pose_swap=dict(type="PoseSwap")) | changes
    )
    config["generator"] |= dict(
        patch_size=None,
        mapping=dict(w_dim=32, pose_dim=POSE_DIM),
        upsampler=dict(type="SuperResolution", input_size=16, channels=(4, 4), render_size=8),
    )
    sizes = dict(cbase=256, cmax=16, pose_dim=POSE_DIM)
    config["discriminator"] = dict(type="ThreeDGPDualDiscriminator", **sizes)
    return MODELS.build(config).train()


def posed_batch():
    batch = local_batch()
    for index, sample in enumerate(batch["data_samples"]):
        sample.camera = frontal_camera(yaw=0.1 * index).params[0]
    return batch


def test_a_step_tells_the_discriminator_where_images_are_seen_from():
    model = posed_model()
    told, generated = [], []
    model.discriminator.register_forward_pre_hook(
        lambda _module, _args, kwargs: told.append(kwargs["pose"].detach()), with_kwargs=True
    )
    model.generator.register_forward_hook(lambda _module, _inputs, out: generated.append(out.camera))
    model.train_step(posed_batch(), sgd(model))
    of_generator, of_fakes, of_reals, of_penalty = told
    for pose, camera in zip((of_generator, of_fakes), generated, strict=True):
        torch.testing.assert_close(pose, PoseLabel.of(camera).params.detach())
    cameras = torch.stack([sample.camera for sample in posed_batch()["data_samples"]])
    for pose in (of_reals, of_penalty):
        torch.testing.assert_close(pose, PoseLabel.of(Camera(cameras)).params)


def test_reals_without_cameras_are_named():
    model = posed_model()
    with pytest.raises(ValueError, match="camera: got none from the dataset"):
        model.train_step(local_batch(), sgd(model))


def test_a_batch_is_swapped_before_it_is_cut():
    model = posed_model()
    fakes = model.draws.fakes(4)
    own = PoseLabel.of(fakes.prior).params
    assert torch.equal(fakes.conditioning, own.roll(1, dims=0)), "at the start all are swapped"
    part = fakes[torch.tensor([2])]
    assert torch.equal(part.inputs().conditioning[0], own[1])


def test_a_term_may_swap_all_or_none():
    model = posed_model(pose_swap=dict(type="PoseSwap", prob=0.5))
    kinds = set()
    for _ in range(20):
        fakes = model.draws.fakes(4, one_swap=True)
        own = PoseLabel.of(fakes.prior).params
        swapped = (fakes.conditioning != own).any(dim=1)
        assert swapped.all() or not swapped.any()
        kinds.add(bool(swapped.all()))
    assert kinds == {True, False}


def test_only_the_density_term_swaps_all_or_none(monkeypatch):
    asked, fakes = [], Draws.fakes

    def spy(draws, n, one_swap=False):
        asked.append(one_swap)
        return fakes(draws, n, one_swap)

    monkeypatch.setattr(Draws, "fakes", spy)
    model = posed_model(generator_terms=[dict(type="DensityRegularizer", num_points=3)])
    assert "loss_g_density" in model.train_step(posed_batch(), sgd(model))
    # The generator's phase, the term's, the discriminator's.
    assert asked == [False, True, False]


def test_a_mapping_is_told_the_camera_or_what_is_asked_for():
    generator = tiny_generator(
        mapping=dict(w_dim=8, pose_dim=POSE_DIM), camera_generator=None, num_classes=None
    )
    z, left, right = torch.randn(1, 8), frontal_camera(yaw=-0.5), frontal_camera(yaw=0.5)
    ws = {name: generator.generate(GeneratorInput(z, camera=c)).ws for name, c in (("l", left), ("r", right))}
    assert not torch.equal(ws["l"], ws["r"])
    asked = GeneratorInput(z, camera=left, conditioning=PoseLabel.of(right).params)
    assert torch.equal(generator.generate(asked).ws, ws["r"])
    front = PoseLabel.of(generator.prior.mean(1)).params
    assert torch.equal(generator.style(z), generator.style(z, conditioning=front))
    generator.mapping.pose_scale = 0.0
    assert torch.equal(generator.style(z, conditioning=front), generator.style(z, conditioning=2 * front))


def test_a_prior_that_is_a_label_is_rendered_as_it_is():
    model = posed_model()
    pose = PoseLabel.of(model.generator.prior.sample(2))
    out = model.generator.generate(GeneratorInput(torch.randn(2, 32), torch.tensor([0, 1]), prior=pose))
    assert out.camera is pose


def test_reals_keep_their_poses_where_they_are_cut():
    pose = torch.randn(2, POSE_DIM)
    real = RealBatch(torch.randn(2, 4, 32, 32), None, None, pose)
    assert real.cut(None, 32).pose is pose


def test_a_dual_discriminator_wants_an_upsampler():
    config = tiny_model_config(distillation=None, patch_sampler=None)
    config["generator"]["patch_size"] = None
    config["discriminator"] = dict(type="ThreeDGPDualDiscriminator", cbase=256, cmax=16)
    with pytest.raises(ValueError, match=r"got ThreeDGPDualDiscriminator without a generator\.upsampler"):
        MODELS.build(config)
