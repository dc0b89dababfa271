"""projects/threedgp/training: steps with StyleNeRF's parts, alone and together with 3DGP's."""

import pytest
import torch
from mmagic.registry import MODELS
from mmengine.registry import init_default_scope

from tests.fixed_draws import local_batch, sgd
from tests.models.fields.test_implicit_field import FIELD
from tests.tiny import tiny_model_config


def model_of(level=None, mixed=False):
    """A model that renders 8 x 8 pixels, from 4 x 4 on, of images of 32 x 32."""
    init_default_scope("mmagic")
    config = tiny_model_config(
        generator=dict(
            patch_size=None,
            noise_size=19,
            mapping=dict(z_dim=16, w_dim=16),
            field=FIELD,
            renderer=dict(type="LayeredRenderer", num_coarse=4, num_fine=4),
            upsampler=dict(
                type="StyleNeRFUpsampler", image_size=32, render_size=8, start_size=4, cbase=128, cmax=8
            ),
            growing=None if level is None else dict(start=level, end=level, over_kimg=0),
            view_terms=[dict(type="NeRFPathRegularizer", num_samples=4)],
        ),
        discriminator=dict(
            type="SkipDiscriminator", start_size=4, cbase=256, cmax=16, mbstd_group_size=4, feature_dim=12
        ),
        generator_terms=[dict(type="PathLengthRegularizer")],
        style_mixing=dict(type="StyleMixing"),
        patch_sampler=None,
        blur_fade=None,
        ema_config=None,
    )
    if not mixed:
        config["generator"] |= dict(camera_generator=None, depth_adaptor=None)
        config["discriminator"]["feature_dim"] = None
        config["distillation"] = None
    torch.manual_seed(0)
    return MODELS.build(config).train()


@pytest.mark.parametrize(
    "level, side, path", [(0.0, 4, False), (0.5, 8, False), (1.5, 16, True), (None, 32, True)]
)
def test_a_step_at_a_level(level, side, path):
    model, shown = model_of(level), []
    model.discriminator.register_forward_hook(lambda _module, inputs, _out: shown.append(inputs[0].shape[-1]))
    before = {name: value.clone() for name, value in model.generator.state_dict().items()}
    logs = model.train_step(local_batch(), sgd(model))
    assert ("loss_g_nerf_path" in logs) == path and logs["loss_g_path_length"] >= 0
    # Fakes of both phases, reals, and the reals of the gradient penalty.
    assert shown == [side] * 4
    moved = {name for name, value in model.generator.state_dict().items() if (value != before[name]).any()}
    blocks = {None: 2, 1.5: 1}.get(level, 0)
    assert {f"upsampler.blocks.{i}.conv1.magnitude" for i in range(2)} & moved == {
        f"upsampler.blocks.{i}.conv1.magnitude" for i in range(blocks)
    }
    assert "field.background_mlp.density.weight" in moved and "field.mlp.density.weight" in moved
    assert model.generator_terms[0].mean_length > 0


def test_with_depth_learned_cameras_and_distillation():
    model = model_of(mixed=True)
    before = {name: value.clone() for name, value in model.generator.named_parameters()}
    logs = model.train_step(local_batch(), sgd(model))
    for name in ("loss_g_nerf_path", "loss_g_camera_mean", "loss_d_kd", "loss_d_r1"):
        assert logs[name].isfinite() and logs[name] > 0, name
    for part in ("camera_generator", "depth_adaptor", "field", "upsampler"):
        moved = [
            n for n, p in model.generator.named_parameters() if n.startswith(part) and (p != before[n]).any()
        ]
        assert moved, part
