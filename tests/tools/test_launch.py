"""projects/threedgp/engine/launch.py and the command lines of train.py and test.py."""

import argparse
import json
import math
from datetime import timedelta

import pytest
import torch
from mmengine.config import Config

from projects.threedgp import command_line
from projects.threedgp.engine import launch, run_config
from projects.threedgp.errors import UserError
from tools import test as test_tool
from tools import train as train_tool

CONFIG = """
dataset = dict(type='ImageDepthDataset', data_root='old')
train_dataloader = dict(dataset=dict(type='RepeatDataset', times=2, dataset=dataset))
val_dataloader = dict(dataset=dict(type='ConcatDataset', datasets=[dataset, dataset]))
test_dataloader = [dict(dataset=dataset), dict(dataset=dataset)]
val_evaluator = dict(metrics=[dict(real=dict(data_root='old')), dict(type='NonFlatnessScore')])
test_evaluator = val_evaluator
model = dict(data_root='untouched')
train_cfg = dict(total_kimg=1)
optim_wrapper = dict(type='OptimWrapper')
"""


@pytest.fixture
def config_path(tmp_path):
    path = tmp_path / "tiny.py"
    path.write_text(CONFIG)
    return path


@pytest.fixture
def data_root(tmp_path):
    folder = tmp_path / "new"
    (folder / "class").mkdir(parents=True)
    return folder


def arguments(tool, *argv):
    return tool.parse_arguments([str(arg) for arg in argv])


def test_data_root_reaches_every_loader_and_metric(config_path, data_root):
    config = Config.fromfile(config_path)
    run_config.redirect_data_root(config, str(data_root))
    text = Config({key: config[key] for key in run_config.DATA_SECTIONS}).dump()
    assert "'old'" not in text
    assert text.count(str(data_root)) == 1 + 2 + 2 + 1 + 1
    assert config.model.data_root == "untouched"


def test_data_root_without_a_dataset_is_an_error(tmp_path):
    with pytest.raises(UserError, match=r"no loader of .* has a data_root"):
        run_config.redirect_data_root(Config(dict(train_dataloader=dict(batch_size=1))), str(tmp_path))


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["missing.py"], "file 'missing.py' does not exist"),
        (["CONFIG", "--data-root", "missing"], "folder 'missing' does not exist"),
        (["CONFIG", "--data-root", "EMPTY"], "is empty"),
        (["CONFIG", "--resume", "missing.pth"], "file 'missing.pth' does not exist"),
    ],
)
def test_missing_paths_are_named(config_path, tmp_path, capsys, argv, message):
    (tmp_path / "empty").mkdir()
    stands_for = {"CONFIG": config_path, "EMPTY": tmp_path / "empty"}
    with pytest.raises(SystemExit):
        arguments(train_tool, *(stands_for.get(arg, arg) for arg in argv))
    assert message in capsys.readouterr().err


def test_missing_checkpoint_is_named(config_path, capsys):
    with pytest.raises(SystemExit):
        arguments(test_tool, config_path, "missing.pth")
    assert "file 'missing.pth' does not exist" in capsys.readouterr().err


def test_work_dir_is_the_argument_else_the_config_else_its_name(config_path):
    def work_dir(*argv):
        return launch.load_config(arguments(train_tool, config_path, *argv)).work_dir

    assert work_dir("--work-dir", "a", "--cfg-options", "work_dir=b") == "a"
    assert work_dir("--cfg-options", "work_dir=b") == "b"
    assert work_dir() == "work_dirs/tiny"


def test_resume_is_off_automatic_or_from_a_path(config_path, tmp_path):
    checkpoint = tmp_path / "iter_1.pth"
    checkpoint.touch()

    def resumed(*argv):
        args = arguments(train_tool, config_path, *argv)
        config = launch.load_config(args)
        launch.prepare_training(config, args.resume)
        return config.get("resume"), config.get("load_from")

    assert resumed() == (None, None)
    assert resumed("--resume") == resumed("--resume", "auto") == (True, None)
    assert resumed("--resume", checkpoint) == (True, str(checkpoint))


def test_a_new_training_does_not_overwrite_an_earlier_one(config_path, tmp_path):
    config = launch.load_config(arguments(train_tool, config_path, "--work-dir", tmp_path))
    (tmp_path / "official.pth").touch()  # what is loaded may lie there
    launch.prepare_training(config, None)
    (tmp_path / "iter_2.pth").touch()
    with pytest.raises(
        ValueError,
        match=r"--work-dir .*: holds a training already \(iter_2.pth\); --resume continues it, --overwrite",
    ):
        launch.prepare_training(config, None)
    launch.prepare_training(config, "auto")


def test_processes_on_cpu_use_gloo_and_no_device(monkeypatch):
    started = []
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.distributed, "init_process_group", lambda *a, **k: started.append((a, k)))
    monkeypatch.setenv("LOCAL_RANK", "0")
    config = Config(dict(model_wrapper_cfg=dict(type="MMSeparateDistributedDataParallel")))
    launch.join_processes(config, "pytorch")
    launch.join_processes(Config(dict(env_cfg=dict(dist_cfg=dict(timeout=7)))), "pytorch")
    assert started == [(("gloo",), dict(timeout=timedelta(seconds=seconds))) for seconds in (1800, 7)]
    assert config.launcher == "pytorch"
    assert config.model_wrapper_cfg == dict(type="MMSeparateDistributedDataParallel", device_ids=None)
    with pytest.raises(ValueError, match="'slurm' needs CUDA"):
        launch.join_processes(config, "slurm")


def test_one_process_starts_no_group():
    config = Config(dict())
    launch.join_processes(config, "none")
    assert config.launcher == "none"
    assert not torch.distributed.is_initialized()


def test_metrics_become_json_and_a_table(tmp_path):
    metrics = {"FID/fid": torch.tensor(12.5), "IS/is": 3, "NFS/nfs": math.nan}
    paths = launch.save_metrics(metrics, tmp_path / "out", checkpoint="a.pth")
    assert [path.name for path in paths] == ["metrics.json", "metrics.md"]
    saved = json.loads(paths[0].read_text(), parse_constant=pytest.fail)
    assert saved == {
        "checkpoint": "a.pth",
        "metrics": {"FID/fid": 12.5, "IS/is": 3.0, "NFS/nfs": "nan"},
    }
    table = paths[1].read_text().splitlines()
    assert table[0] == "* checkpoint: `a.pth`"
    assert "| FID/fid | 12.5 |" in table and "| NFS/nfs | nan |" in table
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        "metrics.json",
        "metrics.md",
    ]


def test_a_url_is_left_to_the_loader():
    assert command_line.existing_file("https://example.com/a.pth") == "https://example.com/a.pth"
    with pytest.raises(argparse.ArgumentTypeError):
        command_line.existing_file("a.pth")
