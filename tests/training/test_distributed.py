"""The same step whatever the cut: over processes, and over chunks of one process."""

import subprocess
import sys
from pathlib import Path

import pytest
import torch
from mmengine.registry import init_default_scope

from tests.fixed_draws import build_fixed_model, local_batch, sgd

WORKER = Path(__file__).with_name("ddp_step_worker.py")


@pytest.fixture(autouse=True)
def mmagic_scope():
    init_default_scope("mmagic")


@pytest.fixture(scope="module")
def whole_batch_state():
    init_default_scope("mmagic")
    return state_after_two_steps()


def state_after_two_steps(**changes):
    model = build_fixed_model(**changes)
    optim_wrapper = sgd(model)
    for _ in range(2):
        model.train_step(local_batch(), optim_wrapper)
    return model.state_dict()


def assert_same(state, expected):
    assert state.keys() == expected.keys()
    for name, value in expected.items():
        torch.testing.assert_close(
            state[name], value, rtol=2e-5, atol=2e-6, msg=lambda m, name=name: f"{name}: {m}"
        )


def test_the_step_moves_both_networks(whole_batch_state):
    fresh = build_fixed_model().state_dict()
    for name in ("generator.mlp.out.weight", "discriminator.epilogue.out.bias"):
        assert (fresh[name] - whole_batch_state[name]).abs().max() > 1e-4
    assert whole_batch_state["images_seen"] == 16


@pytest.mark.parametrize("size", [2, 3])
def test_micro_batches_take_the_same_step(whole_batch_state, size):
    assert_same(state_after_two_steps(micro_batch_size=size), whole_batch_state)


def test_two_processes_take_the_same_step(whole_batch_state, tmp_path):
    saved = tmp_path / "state.pth"
    command = ["-m", "torch.distributed.run", "--nproc_per_node=2", "--master_port=0"]
    command += ["--standalone", str(WORKER), str(saved)]
    done = subprocess.run([sys.executable, *command], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr[-3000:]
    assert_same(torch.load(saved), whole_batch_state)
