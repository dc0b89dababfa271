"""What evaluation will need is checked before the first step of training."""

import pytest

from tests import tiny_runs

FLATNESS = dict(type="NonFlatnessScore", fake_nums=4)
SWD = dict(type="SWD", prefix="SWD", fake_nums=64, image_shape=(3, tiny_runs.SIZE, tiny_runs.SIZE))


@pytest.fixture
def data(tmp_path):
    return tiny_runs.write_images(tmp_path / "data", num=6)


def training(tmp_path, data, save_best=None, **arguments):
    checkpoint = dict(type="CheckpointHook", interval=1, by_epoch=False, save_best=save_best, rule="less")
    return tiny_runs.training(
        tmp_path / "run",
        data,
        0.008,
        default_hooks=dict(checkpoint=checkpoint, evaluation=dict(type="EvaluationCheckHook")),
        **arguments,
    )


def evaluation(data, kind: str, *metrics) -> dict:
    return {
        f"{kind}_dataloader": tiny_runs.loader(data, training=False),
        f"{kind}_evaluator": dict(type="Evaluator", metrics=list(metrics)),
        f"{kind}_cfg": dict(type=f"Seeded{kind.capitalize()}Loop"),
    }


def test_validation_works_with_fewer_images_than_asked_for(tmp_path, data):
    run = training(tmp_path, data, "SWD/avg", **evaluation(data, "val", SWD, FLATNESS))
    run.train()
    assert run.message_hub.get_scalar("val/SWD/avg").current() > 0
    assert run.val_loop.evaluators[0].metrics[0].fake_nums == 6


@pytest.mark.parametrize(
    ("save_best", "metrics", "message"),
    [
        ("FID/fid", [FLATNESS], r"save_best: got 'FID/fid', wanted None or .*: NFS/\.\.\."),
        (None, [dict(type="DepthAccuracy")], "DepthAccuracy: got estimator=None"),
    ],
)
def test_a_validation_that_cannot_work_ends_the_training_before_its_first_step(
    tmp_path, data, save_best, metrics, message
):
    run = training(tmp_path, data, save_best, **evaluation(data, "val", *metrics))
    with pytest.raises(ValueError, match=message):
        run.train()
    assert run.model.images_seen == 0


@pytest.mark.parametrize("data_root", ["missing", "empty"])
def test_a_validation_folder_without_images_ends_it_too(tmp_path, data, data_root):
    (tmp_path / "empty").mkdir()
    run = training(tmp_path, data, **evaluation(str(tmp_path / data_root), "val", FLATNESS))
    with pytest.raises((FileNotFoundError, ValueError), match=f"{data_root}'?: (folder does not|found no)"):
        run.train()
    assert run.model.images_seen == 0


def test_a_test_that_would_fail_is_said_and_does_not_end_the_training(tmp_path, data, monkeypatch):
    said = []
    monkeypatch.setattr(
        "projects.threedgp.engine.evaluation_check_hook.print_log", lambda text, *args: said.append(text)
    )
    run = training(tmp_path, data, **evaluation(data, "test", dict(type="DepthAccuracy")))
    run.train()
    assert run.model.images_seen == 8
    (line,) = said
    assert line.startswith("test_evaluator: the test after training would fail: DepthAccuracy: got esti")
