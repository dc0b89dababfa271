"""The same step whatever the cut: over processes, and over chunks of one process.

Patches of many scales, all classes, and minibatch-std groups: none of them may see where the batch was cut.
All in float64, so that what is left is rounding.
"""

import subprocess
import sys
from pathlib import Path

import pytest
import torch
from mmengine.registry import init_default_scope

from projects.threedgp.training.batches import chunk_indices
from tests.fixed_draws import build_fixed_model, local_batch, sgd

WORKER = Path(__file__).with_name("ddp_step_worker.py")


@pytest.fixture(autouse=True, scope="module")
def scope_and_precision():
    init_default_scope("mmagic")
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


@pytest.fixture(scope="module")
def whole_batch_states():
    """The state after two steps without micro batches, for minibatch-std groups of one and of two."""
    return {group: state_after_two_steps(group) for group in (1, 2)}


def state_after_two_steps(group, **changes):
    model = build_fixed_model(group, **changes)
    optim_wrapper = sgd(model)
    for _ in range(2):
        model.train_step(local_batch(), optim_wrapper)
    return model.state_dict()


def assert_same(state, expected):
    assert state.keys() == expected.keys()
    for name, value in expected.items():
        torch.testing.assert_close(
            state[name], value, rtol=1e-9, atol=1e-12, msg=lambda m, name=name: f"{name}: {m}"
        )


def test_the_step_moves_both_networks_and_groups_matter(whole_batch_states):
    fresh = build_fixed_model().state_dict()
    for name in (
        "generator.field.mlp.out.weight",
        "discriminator.epilogue.out.bias",
        "discriminator.epilogue.feature_head.1.weight",
    ):
        assert (fresh[name] - whole_batch_states[1][name]).abs().max() > 1e-4
    name = "discriminator.epilogue.conv.weight"
    assert (whole_batch_states[1][name] - whole_batch_states[2][name]).abs().max() > 1e-4
    assert whole_batch_states[1]["images_seen"] == 16
    scales = build_fixed_model().draws.patches(8).scales[:, 0]
    assert (scales[0::2].mean() - scales[1::2].mean()).abs() > 0.05, "as two processes have them"


@pytest.mark.parametrize(("group", "size"), [(1, 2), (1, 3), (2, 2), (2, 5)])
def test_micro_batches_take_the_same_step(whole_batch_states, group, size):
    assert_same(state_after_two_steps(group, micro_batch_size=size), whole_batch_states[group])


def test_two_processes_take_the_same_step(whole_batch_states, tmp_path):
    saved = tmp_path / "state.pth"
    command = ["-m", "torch.distributed.run", "--nproc_per_node=2", "--master_port=0"]
    command += ["--standalone", str(WORKER), str(saved)]
    done = subprocess.run([sys.executable, *command], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr[-3000:]
    states = torch.load(saved)
    for name in ("whole share", "micro batches"):
        assert_same(states[name], whole_batch_states[2])


@pytest.mark.parametrize(
    ("n", "size", "group", "chunks"),
    [
        (8, None, 4, [[0, 1, 2, 3, 4, 5, 6, 7]]),
        (8, 8, 4, [[0, 1, 2, 3, 4, 5, 6, 7]]),
        (8, 4, 4, [[0, 2, 4, 6], [1, 3, 5, 7]]),
        (8, 7, 4, [[0, 2, 4, 6], [1, 3, 5, 7]]),
        (12, 8, 4, [[0, 1, 3, 4, 6, 7, 9, 10], [2, 5, 8, 11]]),
        (5, 2, 1, [[0, 1], [2, 3], [4]]),
        (2, 1, 1, [[0], [1]]),
    ],
)
def test_chunks_hold_whole_groups_of_the_batch(n, size, group, chunks):
    assert [index.tolist() for index in chunk_indices(n, size, group)] == chunks


def test_a_micro_batch_that_cannot_hold_a_group_is_refused():
    model = build_fixed_model(mbstd_group_size=4, micro_batch_size=2)
    with pytest.raises(ValueError, match=r"model.micro_batch_size: got 2, wanted at least 4, a minibatch"):
        model.train_step(local_batch(), sgd(model))


def test_a_batch_of_broken_groups_is_refused():
    with pytest.raises(ValueError, match="batch size: got 6, wanted a multiple of the minibatch-std group"):
        chunk_indices(6, size=4, group_size=4)
