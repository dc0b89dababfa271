"""What is timed does what its name says."""

from pathlib import Path

import pytest
import torch

from projects.threedgp.benchmarks.parts import ORBIT_FRAMES, Setting, Subject
from projects.threedgp.benchmarks.setting import GROUPS
from projects.threedgp.errors import UserError
from tests import tiny_runs

CONFIGS = Path(__file__).resolve().parents[2] / "configs"
SMALLER = [
    *("model.generator.noise_size=8", "model.generator.mapping.w_dim=8"),
    *("model.generator.field.mlp_hidden_dim=8", "model.generator.field.resolution=8"),
    *("model.generator.field.cbase=64", "model.generator.field.cmax=8"),
    *("model.discriminator.cbase=64", "model.discriminator.cmax=8", "model.discriminator.code_dim=8"),
    "train_dataloader.num_workers=0",
    "train_dataloader.persistent_workers=False",
]


def subject(config="3dgp_quickstart", options=SMALLER, **changes):
    return Subject(Setting(str(CONFIGS / f"{config}.py"), list(options), batch_size=4, **changes))


def changed(module, run):
    """Whether doing something changes the weights of a network."""
    before = [value.detach().clone() for value in module.parameters()]
    run()
    return not all(map(torch.equal, module.parameters(), before))


def test_parts_of_a_step_train_what_they_say():
    taken = subject()
    parts, model = taken.parts("train"), taken.model
    assert {name: part.share for name, part in parts.items()} == {
        "G phase": 1.0,
        "D phase": 1.0,
        "R1": 1 / model.r1.interval,
        "average": 1.0,
    }
    assert changed(model.generator, parts["G phase"].run)
    assert changed(model.discriminator, parts["D phase"].run)
    assert changed(model.discriminator, parts["R1"].run)
    assert changed(model.generator_ema, parts["average"].run)
    assert not changed(model.generator, parts["D phase"].run)
    assert not changed(model.discriminator, parts["G phase"].run)


def test_regularisers_of_the_generator_are_parts_too():
    parts = subject("volumegan_toy32", []).parts("train")
    assert parts["path_length"].share == 1 / 4
    parts["path_length"].run()


def test_training_is_measured_in_the_middle_of_the_schedules():
    taken = subject(options=[*SMALLER, "train_cfg.total_kimg=8"])
    assert taken.model.kimg == 4


def test_renderings_have_the_size_that_was_asked_for():
    taken = subject(resolution=12, samples=20)
    parts = taken.parts("render")
    images = {name: part.images for name, part in parts.items()}
    assert images == {
        "image from z": 1,
        "decoding": 1,
        "frame, kept planes": 1,
        f"{ORBIT_FRAMES} frames, kept planes": ORBIT_FRAMES,
    }
    for name in ("image from z", "frame, kept planes", f"{ORBIT_FRAMES} frames, kept planes"):
        assert parts[name].run().rgb.shape == (images[name], 3, 12, 12)
    marching = taken.sampling().marching
    assert (marching.num_coarse, marching.num_fine) == (10, 10)


def test_loading_takes_real_images(tmp_path):
    root = tiny_runs.write_images(tmp_path / "train", classes=2, num=8)
    (part,) = subject(data_root=str(root)).parts("load").values()
    assert part.images == 4 and part.waits
    assert len(part.run()["data_samples"]) == 4


def test_other_models_are_refused():
    with pytest.raises(UserError, match=r"model\.type: got .*wanted 'ThreeDGP'"):
        subject("stylegan2_toy32", []).parts("train")


def test_a_device_that_is_not_here_is_named():
    with pytest.raises(UserError, match="device"):
        subject(device="abacus")


def test_options_reach_the_model():
    taken = subject(options=[*SMALLER, "model.generator.renderer.num_coarse=64"])
    assert taken.generator.marching.num_coarse == 64


def test_every_group_has_parts():
    from projects.threedgp.benchmarks import parts

    assert set(GROUPS) == set(parts.GROUPS)
