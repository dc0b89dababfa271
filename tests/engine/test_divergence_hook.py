"""Numbers that are not finite are counted and named, and such a training does not end well."""

import logging
import math

import pytest
import torch
from mmengine.config import Config

from projects.threedgp.engine.divergence_hook import check_weights
from tests.engine.test_train_loop import Notebook, runner

HOOKS = dict(
    checkpoint=dict(type="WholeCheckpointHook", interval=2, by_epoch=False, max_keep_ckpts=1),
    divergence=dict(type="DivergenceHook", interval=4),
)


class Diverging(Notebook):
    """Notes numbers, and after a number of steps logs or holds some that are not finite."""

    def __init__(self, losses=(), gradients=(), weight_at=None, value=math.nan):
        super().__init__()
        self.losses, self.gradients, self.weight_at, self.value = losses, gradients, weight_at, value

    def train_step(self, data, optim_wrapper):
        step = int(self.images_seen) // 4
        logs = super().train_step(data, optim_wrapper)
        logs["loss_d_kd"] = torch.tensor(self.value if step in self.losses else 1.0)
        logs["grad_nonfinite/discriminator"] = torch.tensor(7.0 if step in self.gradients else 0.0)
        if step == self.weight_at:
            self.weight.data.fill_(self.value)
        return logs


@pytest.fixture
def log():
    """What the runner's logger is told, which goes to its own handlers only."""
    handler = logging.Handler()
    handler.records = []
    handler.emit = handler.records.append
    return handler


def messages(log, start: str) -> list[str]:
    return [record.getMessage() for record in log.records if record.getMessage().startswith(start)]


def train(work_dir, model: Diverging, log):
    run = runner(work_dir, 0.04, model=model, default_hooks=HOOKS)
    run.logger.addHandler(log)
    return run.train()


def test_a_sound_training_says_nothing(tmp_path, log):
    train(tmp_path, Diverging(), log)
    assert not messages(log, "Not finite") and not messages(log, "Training has")


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_losses_are_counted_and_the_training_ends_with_an_error(tmp_path, log, value):
    model = Diverging(losses=(1, 2, 9), value=value)
    with pytest.raises(FloatingPointError, match=r"training ended with losses .*: loss_d_kd 3 times"):
        train(tmp_path, model, log)
    assert model.images_seen == 40 and (tmp_path / "iter_10.pth").exists()
    warnings = messages(log, "Not finite")
    assert "in the last 4 iterations: loss_d_kd 2 times" in warnings[0]
    assert "in the last 2 iterations: loss_d_kd 1 times" in warnings[1] and len(warnings) == 2


def test_gradients_that_are_zeroed_are_counted_and_do_not_end_the_training(tmp_path, log):
    train(tmp_path, Diverging(gradients=range(4, 8)), log)
    (warning,) = messages(log, "Not finite")
    assert "in the last 4 iterations: gradient of the discriminator 4 times" in warning


@pytest.mark.parametrize("weight_at, images, kept", [(4, 24, "iter_4.pth"), (1, 8, None)])
def test_broken_weights_end_it_at_once_and_are_not_saved(tmp_path, log, weight_at, images, kept):
    model = Diverging(weight_at=weight_at)
    with pytest.raises(FloatingPointError, match=rf"after {images} images: 1 of 1 weights .* \(weight\)"):
        train(tmp_path, model, log)
    assert [path.name for path in tmp_path.glob("*.pth*")] == ([kept] if kept else [])
    assert [record.levelname for record in log.records if "diverged" in record.getMessage()] == ["ERROR"]


def test_averaged_weights_and_buffers_count_too_and_integers_do_not():
    state = {
        "generator_ema.module.a": torch.tensor([1.0, math.inf]),
        "b": torch.ones(2),
        "n": torch.tensor(3),
    }
    with pytest.raises(FloatingPointError, match=r"1 of 2 weights .*\(generator_ema.module.a\)"):
        check_weights(state)
    check_weights({name: value for name, value in state.items() if name != "generator_ema.module.a"})


def test_every_config_has_it():
    config = Config.fromfile("configs/3dgp_quickstart.py")
    assert config.default_hooks.divergence.type == "DivergenceHook"
    assert config.default_hooks.checkpoint.type == "WholeCheckpointHook"
