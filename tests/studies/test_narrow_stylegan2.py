"""configs/stylegan2_toy32.py: the narrow generator, and its arms with and without distillation."""

from pathlib import Path

import numpy as np
import pytest
import torch
from mmagic.registry import MODELS
from mmengine.config import Config
from mmengine.runner import Runner

from projects.threedgp.engine.launch import redirect_data_root
from projects.threedgp.studies.narrow_stylegan2 import NarrowStyleGAN2Generator
from tests import tiny_runs

CONFIG = Path(__file__).resolve().parents[2] / "configs" / "stylegan2_toy32.py"
FEATURE_DIM = 96
NO_HEAD = {"model.discriminator.feature_dim": None, "train_dataloader.dataset.features": None}
ARMS = {
    "l2": {"model.distillation.form": "l2"},
    "kl": {"model.distillation.form": "kl"},
    "none": {"model.distillation": None},
    "none, without the head": {"model.distillation": None, **NO_HEAD},
}
SMALLER = {
    "model.generator.style_channels": 8,
    "model.generator.max_channels": 8,
    "model.discriminator.cbase": 256,
    "model.discriminator.cmax": 8,
    # Every step has all of the toolkit's losses.
    "model.loss_config.r1_interval": 1,
    "model.loss_config.g_reg_interval": 1,
    "model.loss_config.g_reg_weight": 2.0,
    "train_dataloader.batch_size": 4,
    "train_dataloader.num_workers": 0,
    "train_dataloader.persistent_workers": False,
    "train_cfg.total_kimg": 0.008,
    "default_hooks.logger.interval": 1,
    "launcher": "none",
}


def write_data(folder: Path) -> str:
    """Noise images, and the teacher's features of them beside their folder."""
    data_root = tiny_runs.write_images(folder / "train")
    names = sorted(
        path.relative_to(data_root).as_posix()
        for path in Path(data_root).rglob("*.png")
        if not path.stem.endswith("_depth")
    )
    features = np.random.default_rng(0).normal(size=(len(names), FEATURE_DIM))
    np.save(folder / "teacher.npy", features.astype(np.float32))
    (folder / "teacher.txt").write_text("\n".join(names) + "\n")
    return data_root


def runner(tmp_path: Path, options: dict) -> Runner:
    """A runner of the config with smaller numbers and without evaluation, which needs the toy classifier."""
    config = Config.fromfile(CONFIG)
    redirect_data_root(config, write_data(tmp_path))
    for loop in ("val", "test"):
        for part in ("dataloader", "cfg", "evaluator"):
            config[f"{loop}_{part}"] = None
    config.merge_from_dict(SMALLER | options)
    config.work_dir = str(tmp_path / "work")
    config.experiment_name = f"stylegan2_toy32_{next(tiny_runs.RUNS)}"
    return Runner.from_cfg(config)


@pytest.mark.parametrize("options", ARMS.values(), ids=ARMS)
def test_every_arm_trains(tmp_path, options):
    run = runner(tmp_path, options)
    before = {name: p.detach().clone() for name, p in run.model.named_parameters() if "ema" not in name}
    run.train()
    assert run.model.images_seen == 8
    logged = run.message_hub.log_scalars
    for name in ("loss_disc_fake", "loss_disc_real", "loss_r1_gp", "loss_gen", "loss_path_regular"):
        assert np.isfinite(logged[f"train/{name}"].data[0]).all(), name
    distils = options.get("model.distillation", "as in the config") is not None
    assert ("train/loss_kd" in logged) == distils
    after = dict(run.model.named_parameters())
    unmoved = {name for name, p in before.items() if torch.equal(p, after[name])}
    head = {name for name in before if "feature_head" in name}
    assert bool(head) == ("model.discriminator.feature_dim" not in options)
    assert unmoved == (set() if distils else head)


def test_a_head_without_distillation_stays_in_the_graph(tmp_path):
    run = runner(tmp_path, ARMS["none"])
    reached = set()
    for name, parameter in run.model.discriminator.named_parameters():
        parameter.register_hook(lambda gradient, name=name: reached.add(name))
    run.train()
    assert reached == dict(run.model.discriminator.named_parameters()).keys()


def test_samples_are_bgr_bytes(tmp_path):
    model = runner(tmp_path, ARMS["none"]).model.eval()
    blue = torch.tensor([3.0, -3.0, 0.0])[:, None, None].expand(3, 32, 32)
    model.generator_ema.forward = lambda noise, **_: blue.expand(len(noise), 3, 32, 32)
    (sample,) = model(dict(num_batches=1, sample_model="ema"))
    torch.testing.assert_close(sample.fake_img[:, 0, 0], torch.tensor([255.0, 0.0, 127.5]))


def test_widths_are_capped():
    arguments = dict(type="NarrowStyleGAN2Generator", out_size=64, style_channels=16)
    generator = MODELS.build(dict(arguments, max_channels=24))
    assert generator.constant_input.input.shape[1] == 24
    assert {conv.conv.out_channels for conv in generator.convs} == {24}
    assert generator(torch.randn(2, 16)).shape == (2, 3, 64, 64)
    wide = MODELS.build(dict(arguments, max_channels=400))
    assert [conv.conv.out_channels for conv in wide.convs] == [400] * 6 + [400] * 2
    assert wide.channels[64] == 400 and wide.channels[256] == 128


def test_a_width_of_nothing_is_refused():
    with pytest.raises(ValueError, match=r"max_channels: got 0"):
        NarrowStyleGAN2Generator(32, 8, max_channels=0)
