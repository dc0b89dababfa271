"""projects/threedgp/training: steps with VolumeGAN's parts, alone and together with those of others."""

import pytest
import torch
from mmagic.registry import MODELS
from mmengine.registry import init_default_scope

from tests.fixed_draws import local_batch, sgd
from tests.tiny import tiny_model_config

ALONE = dict(camera_generator=None, depth_adaptor=None)
SMALL = dict(resolution=8, feature_dim=4, max_channels=8, num_octaves=3, hidden_dim=8, out_channels=6)


def model_of(level=None, embedding="volume", discriminator=None, **changes):
    """A model that renders 8 x 8 pixels of images of 32 x 32."""
    init_default_scope("mmagic")
    mixed = dict(changes.pop("mixed", ALONE))
    config = tiny_model_config(
        generator=dict(
            patch_size=None,
            noise_size=16,
            mapping=dict(w_dim=16),
            field=dict(type="FeatureVolumeField", embedding=embedding, **SMALL),
            renderer=dict(
                num_coarse=4, num_fine=4, density="relu", jitter="centered", space="metric", density_noise=0.0
            ),
            upsampler=dict(type="PointwiseUpsampler", image_size=32, render_size=8, cbase=128, cmax=8),
            growing=None if level is None else dict(start=level, end=level, over_kimg=0),
        )
        | mixed,
        discriminator=discriminator
        or dict(type="GrowingDiscriminator", base_size=8, cbase=256, cmax=16, feature_dim=12),
        generator_terms=[dict(type="PathLengthRegularizer")],
        style_mixing=dict(type="StyleMixing", first="field"),
        patch_sampler=None,
        blur_fade=None,
        ema_config=None,
    )
    torch.manual_seed(0)
    return MODELS.build(config | changes).train()


def step(model):
    """Train for one step; return the logs, and the names of the generator's parameters that moved."""
    before = {name: value.clone() for name, value in model.generator.named_parameters()}
    logs = model.train_step(local_batch(), sgd(model))
    assert all(value.isfinite().all() for value in logs.values())
    return logs, {name for name, p in model.generator.named_parameters() if (p != before[name]).any()}


@pytest.mark.parametrize("level, on", [(0.0, 0), (0.5, 1), (1.0, 1), (None, 2)])
def test_a_step_at_a_level(level, on):
    model, shown = model_of(level, distillation=None), []
    model.discriminator.register_forward_hook(lambda _module, inputs, _out: shown.append(inputs[0].shape[-1]))
    logs, moved = step(model)
    assert shown == [32] * 4, "whatever the level, images have their full size"
    assert logs["loss_g_path_length"] >= 0 and model.generator_terms[0].mean_length > 0
    blocks = {name.split(".")[2] for name in moved if name.startswith("upsampler.blocks")}
    assert blocks == {str(i) for i in range(on)}
    assert "field.embedding.const" in moved and "field.mlp.to_density.weight" in moved


@pytest.mark.parametrize("embedding", ["volume", "triplane", "coordinate"])
def test_path_length_goes_with_every_point_embedding(embedding):
    logs, moved = step(model_of(embedding=embedding, distillation=None))
    assert logs["loss_g_path_length"] >= 0
    assert any(name.startswith("field.embedding") for name in moved) == (embedding != "coordinate")


@pytest.mark.parametrize("level", [0.5, None])
def test_with_depth_learned_cameras_distillation_and_augmentation(level):
    augmentation = dict(type="AdaptiveAugmentation", start=0.5)
    logs, moved = step(model_of(level, mixed={}, augmentation=augmentation))
    for name in ("loss_g_camera_mean", "loss_d_kd", "loss_d_r1"):
        assert logs[name] > 0, name
    for part in ("camera_generator", "depth_adaptor", "field", "upsampler"):
        assert any(name.startswith(part) for name in moved), part


def test_with_a_dual_discriminator():
    dual = dict(type="ThreeDGPDualDiscriminator", cbase=256, cmax=16, feature_dim=12)
    model, shown = model_of(discriminator=dual), []
    model.discriminator.register_forward_hook(
        lambda _module, inputs, kwargs, _out: shown.append(kwargs["raw"].shape[-1]), with_kwargs=True
    )
    step(model)
    assert shown == [8] * 4
