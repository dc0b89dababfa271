"""Runs go on after a crash, and take no checkpoint that does not fit without a word."""

import errno
import re
import shutil

import pytest
import torch
from mmagic.registry import MODELS
from mmengine.fileio import LocalBackend
from mmengine.hooks import Hook
from mmengine.registry import init_default_scope

from projects.threedgp.engine.whole_checkpoint_hook import (
    WholeCheckpointHook,
    check_classes,
    check_resumable,
)
from tests import tiny_runs
from tests.engine.test_train_loop import runner, train

KEEP_ONE = dict(
    checkpoint=dict(type="WholeCheckpointHook", interval=1, by_epoch=False, max_keep_ckpts=1, save_last=False)
)


def names(folder) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if path.is_file() and path.suffix != ".py")


def test_only_the_newest_are_kept_and_the_last_is_named(tmp_path):
    train(tmp_path, 0.012, default_hooks=KEEP_ONE)
    assert names(tmp_path) == ["iter_3.pth", "last_checkpoint"]
    assert (tmp_path / "last_checkpoint").read_text() == str(tmp_path / "iter_3.pth")


class FullDisk:
    """Some of the writings of checkpoints fail half way."""

    def __init__(self, monkeypatch, *failing: int) -> None:
        self.put, self.failing, self.calls = LocalBackend.put, failing, 0
        monkeypatch.setattr(LocalBackend, "put", lambda backend, *args: self.write(backend, *args))

    def write(self, backend, obj: bytes, path) -> None:
        self.calls += 1
        self.put(backend, obj[: len(obj) // 2] if self.calls in self.failing else obj, path)
        if self.calls in self.failing:
            raise OSError(errno.ENOSPC, "No space left on device")


def saving(interval: int = 1, **options) -> dict:
    hook = dict(type="WholeCheckpointHook", interval=interval, by_epoch=False, max_keep_ckpts=1)
    return dict(default_hooks=dict(checkpoint=hook | options))


def test_a_failure_while_saving_is_named_and_leaves_the_one_before_to_go_on_from(tmp_path, monkeypatch):
    FullDisk(monkeypatch, 3)
    with pytest.raises(OSError, match=r"written \(.*iter_3.pth: No space left on device\).*--resume goes"):
        train(tmp_path, 0.02, **saving())
    assert names(tmp_path) == ["iter_2.pth", "last_checkpoint"]
    monkeypatch.undo()
    rest = train(tmp_path, 0.02, resume=True, **saving())
    assert len(rest.numbers) == 12 and names(tmp_path) == ["iter_5.pth", "last_checkpoint"]


def test_or_the_training_goes_on_without_what_cannot_be_written(tmp_path, monkeypatch):
    FullDisk(monkeypatch, 1, 3, 5)
    assert train(tmp_path, 0.02, **saving(on_save_error="go_on")).images_seen == 20
    assert names(tmp_path) == ["iter_4.pth", "last_checkpoint"]
    assert (tmp_path / "last_checkpoint").read_text() == str(tmp_path / "iter_4.pth")
    stored = torch.load(tmp_path / "iter_4.pth", weights_only=False)["message_hub"]["runtime_info"]
    assert stored["keep_ckpt_ids"] == [4]
    (log,) = tmp_path.rglob("*.log")
    assert log.read_text().count("training goes on without it") == 3
    monkeypatch.undo()
    assert len(train(tmp_path, 0.02, resume=True, **saving()).numbers) == 4


def test_there_is_no_other_way():
    with pytest.raises(ValueError, match=r"on_save_error: got 'ignore', wanted 'stop' or 'go_on'"):
        WholeCheckpointHook(on_save_error="ignore")


class Score(Hook):
    """Tells the checkpoint hook of a validation in each step, whose scores are given."""

    priority = "LOWEST"

    def __init__(self, *scores: float) -> None:
        self.scores = list(scores)

    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None):
        (hook,) = [hook for hook in runner.hooks if isinstance(hook, WholeCheckpointHook)]
        runner.train_loop._iter += 1  # as after a step
        hook.after_val_epoch(runner, dict(score=self.scores.pop(0)))
        runner.train_loop._iter -= 1


@pytest.mark.parametrize("failing, best", [((), "best_score_iter_3.pth"), ((3,), "best_score_iter_1.pth")])
def test_the_best_one_is_removed_when_a_better_one_is_whole(tmp_path, monkeypatch, failing, best):
    """Two files a step: a better one, and that of the step, which knows it."""
    disk = FullDisk(monkeypatch, *failing)
    remove, there = LocalBackend.remove, []

    def removed(backend, path):
        there.append([name for name in names(tmp_path) if name.startswith("best")])
        remove(backend, path)

    monkeypatch.setattr(LocalBackend, "remove", removed)
    hooks = saving(100, save_best="score", rule="less", on_save_error="go_on", save_last=False)
    run = runner(tmp_path, 0.012, custom_hooks=[Score(4.0, 5.0, 3.0)], **hooks)
    if failing:
        disk.failing = (2,)
    run.train()
    assert [name for name in names(tmp_path) if name.startswith("best")] == [best]
    assert there == ([] if failing else [["best_score_iter_1.pth", "best_score_iter_3.pth"]])
    assert run.message_hub.get_info("best_ckpt") == str(tmp_path / best)
    assert run.message_hub.get_info("best_score") == (4.0 if failing else 3.0)


def test_after_a_step_back_those_before_it_are_kept(tmp_path):
    run = runner(tmp_path, 0.1, **saving(max_keep_ckpts=3))
    run.train_loop.stop_training = True
    run.train()
    (hook,) = [hook for hook in run.hooks if isinstance(hook, WholeCheckpointHook)]
    for step in (1, 2, 3, 4, 3, 4):  # back to 2
        hook._save_checkpoint_with_step(run, step, dict(iter=step))
    assert names(tmp_path) == ["iter_2.pth", "iter_3.pth", "iter_4.pth", "last_checkpoint"]


def test_a_run_whose_newest_checkpoint_is_cut_goes_on_from_the_one_before(tmp_path):
    whole = train(tmp_path / "whole", 0.02)
    train(tmp_path / "run", 0.012)
    with (tmp_path / "run" / "iter_3.pth").open("r+b") as file:
        file.truncate(1000)
    rest = train(tmp_path / "run", 0.02, resume=True)
    assert rest.numbers == whole.numbers[8:]


def test_a_run_without_checkpoints_begins_with_a_warning(tmp_path):
    assert train(tmp_path, 0.008, resume=True).images_seen == 8
    (log,) = tmp_path.rglob("*.log")
    assert f"WARNING - resume: no checkpoint in {tmp_path}, a new training begins" in log.read_text()


def test_a_copied_run_leaves_the_best_checkpoint_of_the_original_alone(tmp_path):
    train(tmp_path / "run", 0.008)
    stored = torch.load(tmp_path / "run" / "iter_2.pth", weights_only=False)
    stored["message_hub"]["runtime_info"]["best_ckpt"] = str(tmp_path / "run" / "best_iter_1.pth")
    stored["message_hub"]["resumed_keys"]["best_ckpt"] = True
    torch.save(stored, tmp_path / "run" / "iter_2.pth")
    copy = shutil.copytree(tmp_path / "run", tmp_path / "copy")
    hook = dict(KEEP_ONE["checkpoint"], save_best="score", rule="less")
    run = runner(copy, 0.012, default_hooks=dict(checkpoint=hook), resume=True)
    run.train()
    (hook,) = [hook for hook in run.hooks if type(hook).__name__ == "WholeCheckpointHook"]
    assert hook.best_ckpt_path == str(copy / "best_iter_1.pth")


def test_other_classes_are_refused_or_said():
    check_classes(("a", "b"), ("a", "b"), "x.pth", strict=True)
    check_classes(None, ("a", "b"), "x.pth", strict=True)
    with pytest.raises(
        ValueError, match=re.escape("checkpoint x.pth: its 2 classes and the 2 wanted are the same")
    ):
        check_classes(("a", "b"), ("b", "a"), "x.pth", strict=True)
    check_classes(("a", "b"), ("b", "a"), "x.pth", strict=False)


def checkpoint(**weights) -> dict:
    return dict(meta=dict(iter=3), optimizer={}, state_dict={k: torch.zeros(v) for k, v in weights.items()})


def test_another_config_is_not_resumed_but_named_as_a_start():
    own = checkpoint(a=1, b=2)["state_dict"]
    check_resumable(own, checkpoint(a=1, b=2), "x.pth", strict=True)
    with pytest.raises(ValueError, match=r"x.pth belongs to another config.*load_from=x.pth(.|\n)*b: \(3,\)"):
        check_resumable(own, checkpoint(a=1, b=3), "x.pth", strict=True)
    loosely = checkpoint(a=1, b=3)
    check_resumable(own, loosely, "x.pth", strict=False)
    assert "optimizer" not in loosely


@pytest.mark.parametrize("lost", ["optimizer", "meta"])
def test_what_is_no_checkpoint_of_a_training_is_not_resumed(lost):
    given = checkpoint(a=1)
    del given[lost]
    with pytest.raises(ValueError, match=r"x.pth holds no optimiser, wanted an iter_\*.pth.*load_from=x.pth"):
        check_resumable(given["state_dict"], given, "x.pth", strict=False)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """Data of five classes, and a training on it of two steps."""
    folder = tmp_path_factory.mktemp("trained")
    data_root = tiny_runs.write_images(folder / "data")
    run = tiny_runs.training(folder / "run", data_root, 0.008)
    run.train()
    return data_root, folder / "run" / "iter_2.pth", run.model


def start(work_dir, data_root, source, model, start_kimg=None, kimg=0.004, **data):
    """A new training from a checkpoint, with the average's weights after it was loaded."""
    train_cfg = dict(type="KimgTrainLoop", total_kimg=kimg, start_kimg=start_kimg)
    loader = tiny_runs.loader(data_root, **data)
    arguments = dict(model=model, train_dataloader=loader, train_cfg=train_cfg, load_from=str(source))
    return tiny_runs.training(work_dir, data_root, kimg, **arguments)


@pytest.mark.parametrize(
    "classes, model, data",
    [
        (3, dict(num_classes=3), {}),  # fewer classes
        (None, dict(num_classes=None), dict(conditional=False)),  # no classes
    ],
)
def test_weights_go_on_to_other_classes_and_to_none(tmp_path, trained, classes, model, data):
    _, source, old = trained
    data_root = tiny_runs.write_images(tmp_path / "data", classes=classes or 1)
    run = start(tmp_path / "run", data_root, source, tiny_runs.model(strict_load=False, **model), **data)
    run.train()
    assert run.model.num_classes == classes and run.model.images_seen == 4
    assert not torch.equal(run.model.generator.field.mlp.out.weight, old.generator.field.mlp.out.weight)
    with pytest.raises(ValueError, match=r"model\.strict_load=False"):
        start(tmp_path / "strict", data_root, source, tiny_runs.model(**model), **data).train()


def test_other_names_are_refused_unless_what_fits_is_asked_for(tmp_path, trained):
    data_root, source, _ = trained
    order = [f"class{i}" for i in (1, 0, 2, 3, 4)]
    for arguments in (dict(load_from=str(source)), dict(load_from=str(source), resume=True)):
        loader = tiny_runs.loader(data_root, classes=order)
        run = tiny_runs.training(tmp_path / "a", data_root, 0.016, train_dataloader=loader, **arguments)
        with pytest.raises(ValueError, match=r"another order, from label 0 on: \['class0', .* \['class1'"):
            run.train()
    start(tmp_path, data_root, source, tiny_runs.model(strict_load=False), classes=order).train()


def test_other_names_are_refused_in_evaluation_too(tmp_path, trained):
    data_root, source, _ = trained
    loader = tiny_runs.loader(data_root, training=False, classes=[f"class{i}" for i in (1, 0, 2, 3, 4)])
    metrics = dict(type="Evaluator", metrics=[dict(type="NonFlatnessScore", fake_nums=4)])
    test = dict(test_dataloader=loader, test_evaluator=metrics, test_cfg=dict(type="MultiTestLoop"))
    run = tiny_runs.runner(tmp_path, tiny_runs.model(), load_from=str(source), **test)
    with pytest.raises(ValueError, match="another order, from label 0 on"):
        run.test()


@pytest.mark.parametrize("start_kimg, begins", [(None, 0.0), (3, 3.0), ("checkpoint", 0.008)])
def test_every_schedule_is_where_the_start_says_and_the_average_stays(tmp_path, trained, start_kimg, begins):
    data_root, source, old = trained
    ema = dict(type="ImagesSeenEMA", half_life_kimg=0.5, rampup=100.0)
    kimg = begins + 0.004
    run = start(tmp_path, data_root, source, tiny_runs.model(ema_config=ema), start_kimg, kimg)
    seen = {}
    train_step = run.model.train_step

    def first_step(data, optim_wrapper):
        assert run.model.kimg == begins
        seen.update(run.model.schedule_values())
        return train_step(data, optim_wrapper)

    run.model.train_step = first_step
    run.train()
    generator, model = run.model.generator, run.model
    assert seen["kimg"] == begins
    assert seen["schedule/density_noise"] == pytest.approx(generator.renderer.density_noise(begins))
    assert seen["schedule/blur_sigma"] == pytest.approx(model.blur_fade.sigma(begins))
    assert seen["schedule/patch_beta"] == pytest.approx(model.patch_sampler.beta(begins))
    assert seen["schedule/depth_identity_prob"] == pytest.approx(
        generator.depth_adaptor.identity_prob(begins)
    )
    assert seen["schedule/CameraEMDRegularizer"] == pytest.approx(model.camera_regularizers[0].ramp(begins))
    decay = 0.5 ** (4 / 500)
    assert model.generator_ema.decay == pytest.approx(decay)
    name = "field.mlp.out.weight"
    loaded, now = old.generator_ema.module.state_dict()[name], generator.state_dict()[name]
    averaged = model.generator_ema.module.state_dict()[name]
    torch.testing.assert_close(averaged, decay * loaded + (1 - decay) * now)


def test_an_average_that_does_not_fit_begins_as_its_generator(tmp_path, trained):
    _, _, old = trained
    init_default_scope("mmagic")
    model = MODELS.build(tiny_runs.model(num_classes=3, strict_load=False))
    averaged, own = model.generator_ema.module.state_dict(), model.generator.state_dict()
    for value in averaged.values():
        value.zero_()
    model.load_state_dict(old.state_dict(), strict=False)
    fits = {name: own[name].shape == value.shape for name, value in old.generator.state_dict().items()}
    assert set(fits.values()) == {True, False}
    for name in fits:
        source = old.generator_ema.module.state_dict() if fits[name] else own
        assert torch.equal(averaged[name], source[name]), name
