"""Numbers that are not finite are counted and named, and such a training does not end well."""

import json
import logging
import math

import pytest
import torch
from mmengine.config import Config
from mmengine.hooks import Hook

from projects.threedgp.engine.divergence_hook import Diverged, DivergenceHook, not_finite
from projects.threedgp.models.losses.r1_regularizer import R1Regularizer
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
    model = Diverging(losses=(1, 2, 4, 6, 9), value=value)
    with pytest.raises(FloatingPointError, match=r"training ended with losses .*: loss_d_kd 5 times"):
        train(tmp_path, model, log)
    assert model.images_seen == 40 and (tmp_path / "iter_10.pth").exists()
    warnings = messages(log, "Not finite")
    assert "in the last 4 iterations: loss_d_kd 2 times" in warnings[0]
    assert "in the last 2 iterations: loss_d_kd 1 times" in warnings[2] and len(warnings) == 3


def test_a_few_such_losses_are_survived(tmp_path, log):
    train(tmp_path, Diverging(losses=(1, 2, 4, 6)), log)
    assert len(messages(log, "Not finite")) == 2


def test_gradients_that_are_zeroed_are_counted_and_do_not_end_the_training(tmp_path, log):
    train(tmp_path, Diverging(gradients=range(4, 8)), log)
    (warning,) = messages(log, "Not finite")
    assert "in the last 4 iterations: gradient of the discriminator 4 times" in warning


@pytest.mark.parametrize(
    "weight_at, images, kept, why",
    [(4, 24, ["iter_4.pth"], "3 are mended"), (1, 8, [], "No checkpoint from before")],
)
def test_weights_that_break_again_and_again_end_it_and_are_not_saved(
    tmp_path, log, weight_at, images, kept, why
):
    model = Diverging(weight_at=weight_at)
    with pytest.raises(Diverged, match=rf"after {images} images 1 weights .* \(weight\).*{why}"):
        train(tmp_path, model, log)
    assert [path.name for path in tmp_path.glob("*.pth*")] == kept
    levels = {record.levelname for record in log.records if "diverged" in record.getMessage()}
    assert levels == {"ERROR"}


class Spoilt(Diverging):
    """The trouble lies in the data or in chance: in the steps that end with some draws of the training."""

    def __init__(self, first, last, spoil):
        super().__init__()
        self.first, self.last, self.spoil, self.seen = first, last, spoil, []

    def train_step(self, data, optim_wrapper):
        logs = Notebook.train_step(self, data, optim_wrapper)
        self.seen.append(int(self.images_seen))
        logs |= {"grad_norm/generator": torch.tensor(1.0), "logits/real": torch.tensor(0.5)}
        draws = self.loop.skipped + int(self.images_seen)
        if self.first <= draws < self.last:
            self.spoil(self, logs)
        return logs


def weights(model, logs):
    model.weight.data.fill_(math.nan)


def logged(name, value):
    return lambda model, logs: logs.update({name: torch.tensor(value)})


TROUBLES = {
    "weights": (weights, "after 80 images 1 weights are not finite"),
    "a loss": (logged("loss_d_adv", math.nan), "loss_d_adv not finite, 3 times in a row"),
    "gradients": (logged("grad_nonfinite/generator", 5.0), "grad_nonfinite/generator not finite, 3 times"),
    "a norm": (logged("grad_norm/generator", 11.0), "grad_norm/generator 11, more than 10 times the usual 1"),
    "logits": (logged("logits/real", -200.0), "logits/real -200, wanted at most 100"),
    "no logits": (logged("logits/real", math.nan), "logits/real nan, wanted at most 100"),
}


def mended(work_dir, model, log, kimg=0.12, resume=False, **options):
    hook = dict(type="DivergenceHook", interval=1, window=10, patience=3, distance=2, skip=1)
    hooks = dict(
        checkpoint=dict(type="WholeCheckpointHook", interval=2, by_epoch=False), divergence=hook | options
    )
    run = runner(work_dir, kimg, model=model, default_hooks=hooks, resume=resume)
    run.logger.addHandler(log)
    model.loop = run.train_loop
    run.train()
    return run


def incidents(folder) -> list[dict]:
    return [json.loads(line) for line in (folder / "incidents.jsonl").read_text().splitlines()]


@pytest.mark.parametrize("trouble", TROUBLES)
def test_trouble_that_lasts_is_passed_over_from_a_checkpoint_before_it(tmp_path, log, trouble):
    """It begins in the 20th step of four images."""
    spoil, reason = TROUBLES[trouble]
    model = Spoilt(80, 88 if trouble == "weights" else 90, spoil)
    mended(tmp_path, model, log)
    assert model.images_seen == 120 and model.weight.isfinite()
    (incident,) = incidents(tmp_path)
    assert reason in incident["reason"]
    assert incident["goes_on_from"] == "iter_16.pth" and incident["goes_on_at_kimg"] == 0.064
    alarm = round(incident["kimg"] * 1000)
    assert model.loop.skipped == alarm - 64 + 4
    assert model.seen == [*range(4, alarm + 1, 4), *range(68, 121, 4)]
    assert messages(log, "Training has diverged and goes back")


@pytest.mark.parametrize(
    "spoil", [logged("grad_nonfinite/generator", 5.0), logged("grad_norm/generator", 99.0)]
)
def test_a_single_bad_step_is_no_alarm(tmp_path, log, spoil):
    mended(tmp_path, Spoilt(80, 84, spoil), log)
    assert not (tmp_path / "incidents.jsonl").exists()


def test_what_is_logged_now_and_then_lasts_through_steps_without_it(tmp_path, log):
    class Lazy(Spoilt):
        def train_step(self, data, optim_wrapper):
            logs = super().train_step(data, optim_wrapper)
            draws = self.loop.skipped + int(self.images_seen)
            if int(self.images_seen) % 16 == 0:
                logs["loss_d_r1"] = torch.tensor(math.nan if 80 <= draws < 130 else 1.0)
            return logs

    mended(tmp_path, Lazy(0, 0, weights), log, kimg=0.16)
    (incident,) = incidents(tmp_path)
    assert incident["reason"] == "loss_d_r1 not finite, 3 times in a row"
    assert incident["iteration"] == 28 and incident["goes_on_from"] == "iter_16.pth"


def test_without_a_checkpoint_far_enough_back_the_newest_before_the_trouble_is_taken(tmp_path, log):
    mended(tmp_path, Spoilt(80, 84, weights), log, distance=100)
    assert incidents(tmp_path)[0]["goes_on_from"] == "iter_18.pth"


class Scores(Hook):
    """Validates every other step, with a score that is bad in some stretch of the data."""

    def __init__(self, hook, first, last):
        self.hook, self.first, self.last = hook, first, last

    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None):
        draws = runner.train_loop.skipped + int(runner.model.images_seen)
        if (runner.iter + 1) % 2 == 0:
            score = 5.0 if self.first <= draws < self.last else 1.0
            self.hook.after_val_epoch(runner, {"FID/fid": score})


@pytest.mark.parametrize("last, alarms", [(100, 1), (88, 0)])
def test_a_metric_that_goes_up_for_good_is_an_alarm_if_asked_for(tmp_path, log, last, alarms):
    for metric in ("FID/fid", None):
        folder = tmp_path / str(metric)
        options = dict(metric=metric, metric_patience=3, metric_factor=4.0)
        hook = DivergenceHook(distance=2, skip=1, **options)
        model = Spoilt(0, 0, weights)
        run = runner(folder, 0.2, model=model, custom_hooks=[hook])
        run.register_hook(Scores(hook, 80, last))
        model.loop = run.train_loop
        run.train()
        assert model.images_seen == 200
        if not (metric and alarms):
            assert not (folder / "incidents.jsonl").exists()
            continue
        (incident,) = incidents(folder)
        assert incident["reason"] == "FID/fid 5, for 3 evaluations more than 4 times its lowest 1"
        assert incident["goes_on_from"] == "iter_16.pth"


def test_a_metric_that_is_not_measured_is_named(tmp_path):
    run = runner(tmp_path, 0.02)
    with pytest.raises(ValueError, match=r"DivergenceHook.metric: got 'FID', wanted one of \['FID/fid'\]"):
        DivergenceHook(metric="FID").after_val_epoch(run, {"FID/fid": 1.0})


def test_data_and_chance_are_those_behind_the_trouble(tmp_path, log):
    straight, model = Spoilt(0, 0, weights), Spoilt(80, 84, weights)
    mended(tmp_path / "straight", straight, log, kimg=0.2)
    mended(tmp_path / "mended", model, log)
    # 20 steps up to the alarm; then, from the checkpoint at 64 images on, what comes after one more step.
    assert model.numbers[:80] == straight.numbers[:80] and model.random[:20] == straight.random[:20]
    assert model.numbers[80:] == straight.numbers[84 : 84 + 56]
    assert model.random[20:] == straight.random[21 : 21 + 14]


@pytest.mark.parametrize("max_alarms", [0, 2])
def test_too_many_alarms_end_it(tmp_path, log, max_alarms):
    with pytest.raises(Diverged, match=rf"this is number {max_alarms + 1}, and {max_alarms} are mended"):
        mended(tmp_path, Spoilt(80, 1e9, weights), log, max_alarms=max_alarms)


def test_alarms_of_long_ago_do_not_count(tmp_path, log):
    """Two bad stretches with 60 images between them."""

    class Twice(Spoilt):
        def train_step(self, data, optim_wrapper):
            if self.loop.skipped:
                self.first, self.last = 160, 164
            return super().train_step(data, optim_wrapper)

    mended(tmp_path / "apart", Twice(40, 44, weights), log, kimg=0.2, max_alarms=1, alarm_kimg=0.05)
    assert len(incidents(tmp_path / "apart")) == 2
    with pytest.raises(Diverged, match="this is number 2"):
        mended(tmp_path / "close", Twice(40, 44, weights), log, kimg=0.2, max_alarms=1, alarm_kimg=0.5)


def test_what_is_passed_over_is_known_to_a_resumed_run(tmp_path, log):
    whole, first, second = (Spoilt(80, 84, weights) for _ in range(3))
    mended(tmp_path / "whole", whole, log)
    mended(tmp_path / "parts", first, log, kimg=0.1)
    mended(tmp_path / "parts", second, log, resume=True)
    assert second.numbers == whole.numbers[-20:] and second.random == whole.random[-5:]


def test_learning_rates_and_gamma_follow_and_stay(tmp_path, log):
    def penalised():
        model = Spoilt(80, 84, weights)
        model.r1 = R1Regularizer(gamma=2.0)
        return model

    for kimg, resume in ((0.12, False), (0.14, True)):
        model = penalised()
        run = mended(tmp_path, model, log, kimg=kimg, resume=resume, lr_factor=0.5, gamma_factor=3.0)
        assert [group["lr"] for group in run.optim_wrapper.param_groups] == [0.05]
        assert model.r1.weight(32, 8) == 6.0


def test_averaged_weights_and_buffers_count_too_and_integers_do_not():
    state = {
        "generator_ema.module.a": torch.tensor([1.0, math.inf]),
        "b": torch.ones(2),
        "n": torch.tensor(3),
        "text": "nan",
    }
    assert not_finite(state) == ["generator_ema.module.a"]
    assert not_finite(dict(b=torch.ones(2), none=torch.zeros(0))) == []


@pytest.mark.parametrize("name", ["interval", "skip", "patience", "factor", "lr_factor", "metric_factor"])
def test_numbers_out_of_range_are_named(name):
    with pytest.raises(ValueError, match=rf"DivergenceHook\.{name}: got -1, wanted a "):
        DivergenceHook(**{name: -1})


def test_every_config_has_it():
    config = Config.fromfile("configs/3dgp_quickstart.py")
    assert config.default_hooks.divergence.type == "DivergenceHook"
    assert config.default_hooks.checkpoint.type == "WholeCheckpointHook"
