"""tools/studies/runs.py, tools/studies/arms.py"""

import json
from pathlib import Path

import pytest
import torch
from mmagic.registry import MODELS
from mmengine.config import Config
from mmengine.registry import init_default_scope

from tools.studies import runs as module
from tools.studies.arms import (
    ABLATIONS,
    FIXED_CAMERAS,
    FULL,
    KL_3D,
    NO_DEPTH,
    NO_DISTILLATION_3D,
    NO_REGULARIZER,
    RAW_DEPTH,
)
from tools.studies.runs import Arm, Run, Size, execute, plan, write_config

SIZE = Size(kimg=0.032, val_interval_kimg=0.016, batch_size=8, jobs=1)


@pytest.fixture
def run(tmp_path):
    return Run(FULL, 3, tmp_path / "full_seed3")


def write_log(run, records):
    folder = run.folder / "20260101_000000" / "vis_data"
    folder.mkdir(parents=True)
    (folder / "scalars.json").write_text("".join(json.dumps(each) + "\n" for each in records))


def test_all_arms_of_a_seed_come_before_the_next_seed(tmp_path):
    names = [run.folder.relative_to(tmp_path).as_posix() for run in plan(ABLATIONS[:2], [5, 6], tmp_path)]
    assert names == [f"runs/{arm}_seed{seed}" for seed in (5, 6) for arm in ("full", "no_depth")]


def test_written_config_is_that_of_the_arm_and_complete_in_itself(tmp_path):
    arm = Arm("x", "x", {"model.distillation": None, "model.camera_regularizers": []})
    run = Run(arm, 7, tmp_path / "x")
    write_config(run, tmp_path / "scenes", SIZE)
    config = Config.fromfile(run.config_path)
    assert config.model.distillation is None and config.model.camera_regularizers == []
    assert (config.train_cfg.total_kimg, config.train_cfg.val_interval_kimg) == (0.032, 0.016)
    assert (config.train_dataloader.batch_size, config.randomness.seed) == (8, 7)
    for loader in (config.train_dataloader, config.val_dataloader, config.test_dataloader):
        assert loader.dataset.data_root == str(tmp_path / "scenes" / "train")
    paths = [each[key] for each in config.test_evaluator.metrics for key in ("cameras",) if key in each]
    assert paths == [str(tmp_path / "scenes" / "cameras.npy")]
    assert "_base_" not in run.config_path.read_text()


def test_a_run_with_other_settings_is_refused_and_stays(run, tmp_path):
    write_config(run, tmp_path, SIZE)
    before = run.config_path.read_text()
    with pytest.raises(ValueError, match=r"config\.py: got a run with other settings"):
        write_config(run, tmp_path, Size(kimg=1, val_interval_kimg=1, batch_size=8, jobs=1))
    assert run.config_path.read_text() == before


def test_what_the_log_tells(run, tmp_path):
    write_config(run, tmp_path, SIZE)
    write_log(
        run,
        [
            {"kimg": 0.008, "time": 0.5, "iter": 2, "step": 2},
            {"FID (toy classifier)/fid": 9.0, "time": 60.0, "step": 2},
            {"kimg": 0.024, "time": 0.25, "iter": 4, "step": 4},
            {"FID (toy classifier)/fid": 7.0, "step": 4},
        ],
    )
    assert run.kimg() == 0.032
    assert run.curve("FID (toy classifier)/fid") == ([0.016, 0.032], [9.0, 7.0])
    assert run.training_seconds() == 2 * 0.5 + 2 * 0.25


@pytest.fixture
def calls(monkeypatch):
    """Tools that succeed at once; training of the arm ``no_depth`` fails."""
    made = []

    def call(run, log, *arguments):
        made.append((run.arm.name, Path(arguments[0]).name))
        if arguments[0] == "tools/train.py":
            if run.arm.name == "no_depth":
                return False
            (run.folder / "last_checkpoint").write_text(str(run.folder / "iter_4.pth"))
        else:
            run.metrics_path.write_text('{"metrics": {}}')
        return True

    monkeypatch.setattr(module, "_call", call)
    monkeypatch.setattr(module, "POLL_SECONDS", 0.01)
    return made


def test_what_is_finished_is_not_done_again(run, tmp_path, calls):
    execute([run], tmp_path, SIZE)
    assert calls == [("full", "train.py"), ("full", "test.py")]
    execute([run], tmp_path, SIZE)
    assert len(calls) == 2
    run.metrics_path.unlink()
    execute([run], tmp_path, SIZE)
    assert calls[2:] == [("full", "test.py")]


def test_a_run_that_was_cut_goes_on(run, tmp_path, calls):
    run.folder.mkdir()
    (run.folder / "last_checkpoint").write_text(str(run.folder / "iter_2.pth"))
    execute([run], tmp_path, SIZE)
    assert calls[0] == ("full", "train.py")


def test_a_failure_is_named_after_the_others_are_done(tmp_path, calls):
    runs = plan((NO_DEPTH, FULL), [0], tmp_path)
    with pytest.raises(RuntimeError, match=r"no_depth_seed0: training failed, see .*train\.log"):
        execute(runs, tmp_path, SIZE)
    assert runs[1].metrics_path.is_file()


def model_of(arm: Arm):
    init_default_scope("mmagic")
    config = Config.fromfile(arm.config)
    config.merge_from_dict(dict(arm.options))
    return MODELS.build(config.model), config


def test_each_arm_lacks_what_its_title_says():
    full, config = model_of(FULL)
    assert full.generator.out_channels == 4 and full.distillation.form == "l2"
    assert config.train_dataloader.dataset.features is not None
    model, config = model_of(NO_DEPTH)
    assert model.generator.out_channels == 3 and config.train_dataloader.dataset.use_depth is False
    model, config = model_of(NO_DISTILLATION_3D)
    assert model.distillation is None and model.discriminator.feature_dim is None
    assert config.train_dataloader.dataset.features is None
    assert model_of(KL_3D)[0].distillation.form == "kl"
    assert len(model_of(NO_REGULARIZER)[0].camera_regularizers) == 0
    assert len(full.camera_regularizers) == 2


def test_without_adaptor_the_discriminator_sees_the_normalized_depth():
    adaptor = model_of(RAW_DEPTH)[0].generator.depth_adaptor.train()
    depth = 0.75 + 0.5 * torch.rand(2, 1, 8, 8)
    torch.testing.assert_close(adaptor(depth), adaptor.normalize(depth))


def test_without_camera_generator_prior_cameras_are_rendered():
    generator = model_of(FIXED_CAMERAS)[0].generator
    prior = generator.prior.sample(4, torch.device("cpu"))
    z, label = torch.randn(4, generator.noise_size), torch.arange(4)
    assert generator.pose(prior, z, label) is prior
