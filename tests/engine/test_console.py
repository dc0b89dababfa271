"""projects/threedgp/engine/console.py: what a person sees of a training and of an evaluation."""

import re

import pytest

from projects.threedgp.engine import console
from projects.threedgp.engine.console import ProgressHook
from tests import tiny_runs


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return tiny_runs.write_images(tmp_path_factory.mktemp("images") / "data", num=5, classes=1)


@pytest.fixture
def bars(monkeypatch):
    """Every bar that was made: title, total, and how far it came."""
    made = []

    class Bar(console.tqdm):
        def __init__(self, *args, **kwargs):
            super().__init__(*args, **kwargs)
            made.append(self)

    monkeypatch.setattr(console, "tqdm", Bar)
    return lambda: [(bar.desc, bar.total, bar.n) for bar in made]


def evaluation(data, *counts):
    """Both evaluations of a config, with batches of 4."""
    scores = [dict(type="NonFlatnessScore", fake_nums=n, prefix=f"NFS{n}") for n in counts]
    loader, metrics = tiny_runs.loader(data, training=False), dict(metrics=scores)
    return dict(
        val_dataloader=loader,
        val_evaluator=metrics,
        val_cfg=dict(type="SeededValLoop"),
        test_dataloader=loader,
        test_evaluator=metrics,
        test_cfg=dict(type="SeededTestLoop"),
    )


def shown_run(tmp_path, data, **arguments):
    run = tiny_runs.training(tmp_path, data, 0.004, model=tiny_runs.model(num_classes=1), **arguments)
    run.register_hook(ProgressHook("tiny.py"), priority="LOWEST")
    return run


def test_a_training_says_what_it_is_and_shows_the_values_of_its_validation(tmp_path, data, bars, capsys):
    shown_run(tmp_path, data, **evaluation(data, 6)).train()
    said = capsys.readouterr().out
    assert "config:  tiny.py\ndata:    5 images, 1 class, with depth in " in said
    assert "batch:   4 images (4 x 1 process)\nlength:  to 0.004 kimg (1 iteration)\n" in said
    assert re.search(
        r"^validation at iteration 1: NFS6/nfs: [\d.]+  NFS6/nfs_std: [\d.]+$", said, re.MULTILINE
    )
    assert bars() == [("training", 4, 4), ("validating", 2, 2)]


@pytest.mark.parametrize(("counts", "batches"), [([6], 2), ([3, 6], 2), ([8], 3)])
def test_an_evaluation_shows_its_values_and_how_far_it_is(tmp_path, data, bars, capsys, counts, batches):
    """Metrics of one kind of sample share a batch; of 8 samples the toolkit makes a batch too many."""
    shown_run(tmp_path, data, **evaluation(data, *counts)).test()
    values = "  ".join(rf"NFS{n}/nfs: [\d.]+  NFS{n}/nfs_std: [\d.]+" for n in counts)
    assert re.search(rf"^evaluation: {values}$", capsys.readouterr().out, re.MULTILINE)
    assert bars() == [("evaluating", batches, batches)]


def test_a_resumed_training_says_where_it_continues(tmp_path, data, capsys):
    shown_run(tmp_path, data).train()
    longer = dict(train_cfg=dict(type="KimgTrainLoop", total_kimg=0.008))
    shown_run(tmp_path, data, resume=True, **longer).train()
    assert "length:  Continues at 0.004 kimg, to 0.008 kimg (2 iterations)\n" in capsys.readouterr().out
