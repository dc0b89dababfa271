"""What a training cannot go on from is refused before anything of it is loaded."""

import pytest
import torch
from mmengine.registry import init_default_scope

from projects.threedgp.engine.checkpoint_loading import read_checkpoint
from projects.threedgp.engine.resume_check import check_resumed
from projects.threedgp.errors import UserError
from tests import tiny_runs


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A runner after one step, and what it saved."""
    init_default_scope("mmagic")
    folder = tmp_path_factory.mktemp("trained")
    data = tiny_runs.write_images(folder / "data", 4)
    runner = tiny_runs.training(folder / "run", data, 0.004)
    runner.train()
    return runner, folder / "run" / "iter_1.pth"


def moment(stored, name="discriminator"):
    return next(iter(stored["optimizer"][name]["state"].values()))


def test_what_was_saved_is_accepted(trained):
    runner, path = trained
    check_resumed(runner, read_checkpoint(path), "a.pth")


EDITS = {
    "meta.iter: got -1": lambda stored: stored["meta"].update(iter=-1),
    "meta.iter: got 'one'": lambda stored: stored["meta"].update(iter="one"),
    "meta.epoch: got None": lambda stored: stored["meta"].pop("epoch"),
    "meta.seed: got 0.5": lambda stored: stored["meta"].update(seed=0.5),
    "message_hub: wanted log_scalars": lambda stored: stored.pop("message_hub"),
    "optimizer.generator.state: got no moments": lambda stored: stored["optimizer"]["generator"].update(
        state={}
    ),
    "optimizer: ": lambda stored: stored["optimizer"].pop("generator"),
    "optimizer.discriminator.exp_avg: got NaN or inf": lambda stored: moment(stored)["exp_avg"].fill_(
        torch.nan
    ),
    "optimizer.discriminator.exp_avg: got .3,. for weights": lambda stored: moment(stored).update(
        exp_avg=torch.ones(3)
    ),
    "optimizer.generator.lr: got nan": lambda stored: stored["optimizer"]["generator"]["param_groups"][
        0
    ].update(lr=float("nan")),
}


@pytest.mark.parametrize("message", EDITS)
def test_what_does_not_fit_is_named(trained, message):
    runner, path = trained
    stored = read_checkpoint(path)
    EDITS[message](stored)
    with pytest.raises(UserError, match=rf"resume: a\.pth: {message}"):
        check_resumed(runner, stored, "a.pth")
