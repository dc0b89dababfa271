"""Checkpoints of distributed and single runs are resumed, and evaluated, with the same outputs."""

import subprocess
import sys
from pathlib import Path

import pytest
import torch

from tests import tiny_runs
from tests.engine.ddp_runner_worker import NoteOutputs, generate

WORKER = Path(__file__).with_name("ddp_runner_worker.py")


def run_two_processes(*arguments):
    command = [sys.executable, "-m", "torch.distributed.run", "--nproc_per_node=2", "--standalone"]
    command += [str(WORKER), *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=500)
    assert done.returncode == 0, done.stderr[-3000:]


def assert_same_outputs(a, b):
    assert a.keys() == b.keys() == {"ema", "orig", "opinion"}
    for kind in a:
        torch.testing.assert_close(a[kind], b[kind], rtol=1e-5, atol=1e-5)


@pytest.mark.slow
def test_saved_by_two_processes_resumed_by_two_and_evaluated_by_one(tmp_path):
    data_root = tiny_runs.write_images(tmp_path / "data")
    run_two_processes(data_root, tmp_path, 0.016)
    saved = torch.load(tmp_path / "end_2.pt")
    checkpoint = torch.load(tmp_path / "iter_2.pth", weights_only=False)["state_dict"]
    assert not [key for key in checkpoint if key.startswith(("generator.module", "discriminator.m"))]
    assert checkpoint["images_seen"] == 16

    run_two_processes(data_root, tmp_path, 0.032)
    assert_same_outputs(torch.load(tmp_path / "begin_2.pt"), saved)
    moved = torch.load(tmp_path / "end_4.pt")["orig"] - saved["orig"]
    assert moved.abs().max() > 1e-3

    runner = tiny_runs.training(tmp_path / "one", data_root, 0.016)
    before = generate(runner.model)["orig"]
    runner.load_checkpoint(str(tmp_path / "iter_2.pth"))
    assert (before - saved["orig"]).abs().max() > 1e-3
    assert_same_outputs(generate(runner.model), saved)


def test_saved_and_resumed_by_one_process(tmp_path):
    data_root = tiny_runs.write_images(tmp_path / "data")
    first = tiny_runs.training(tmp_path, data_root, 0.008, experiment="first")
    first.train()
    saved = generate(first.model)
    second = tiny_runs.training(tmp_path, data_root, 0.012, experiment="second", resume=True)
    second.register_hook(NoteOutputs(tmp_path), priority="LOWEST")
    second.train()
    assert_same_outputs(torch.load(tmp_path / "begin_2.pt"), saved)
    assert second.model.images_seen == 12 and second.iter == 3
