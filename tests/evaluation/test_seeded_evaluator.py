"""projects/threedgp/evaluation/seeded_evaluator.py: metrics depend on model, data and seed alone."""

import numpy as np
import pytest
import torch
from mmagic.registry import MODELS
from mmengine.hooks import Hook

from projects.threedgp.evaluation import SeededEvaluator, feature_metric, seeded_evaluator
from tests import tiny_runs
from tests.stand_ins import save_inception_stand_in

SHAPE = (3, tiny_runs.SIZE, tiny_runs.SIZE)


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setattr(feature_metric, "MMAGIC_CACHE_DIR", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return tiny_runs.write_images(tmp_path_factory.mktemp("images") / "data")


@pytest.fixture
def metrics(tmp_path):
    network = dict(inception_path=save_inception_stand_in(tmp_path))
    return [
        dict(type="LocalFID", fake_nums=8, **network),
        dict(type="LocalInceptionScore", fake_nums=6, splits=2, **network),
        dict(type="NonFlatnessScore", fake_nums=4),
        dict(type="SWD", prefix="SWD", fake_nums=8, image_shape=SHAPE),
        dict(type="IntraClassDiversity", extractor=network["inception_path"], fake_nums=8),
    ]


def run_of(tmp_path, data, metrics, model=None, seed=0):
    torch.manual_seed(0)
    return tiny_runs.runner(
        tmp_path / "run",
        model or MODELS.build(tiny_runs.model()),
        randomness=dict(seed=seed),
        val_dataloader=tiny_runs.loader(data, training=False),
        val_evaluator=dict(type="Evaluator", metrics=metrics),
        val_cfg=dict(type="SeededValLoop"),
    )


class Keeper(Hook):
    def after_val_epoch(self, runner, metrics=None):
        self.metrics = metrics


def values_of(run) -> dict[str, float]:
    keeper = Keeper()
    run.register_hook(keeper)
    run.val_loop.run()
    return keeper.metrics


def test_neither_cache_nor_order_nor_earlier_draws_change_a_value(tmp_path, data, metrics, cache):
    model = MODELS.build(tiny_runs.model())
    cold = values_of(run_of(tmp_path, data, metrics, model))
    assert len(list(cache.glob("threedgp_fid_*.npz"))) == 1
    warm_run = run_of(tmp_path, data, metrics[::-1], model)
    torch.rand(1000)
    np.random.rand(1000)
    warm = values_of(warm_run)
    again = values_of(warm_run)
    for other in (warm, again):
        assert other.keys() == cold.keys()
        for name, value in cold.items():
            np.testing.assert_equal(other[name], value, err_msg=name)
    assert len(list(cache.glob("*"))) == 1


def test_a_metric_alone_has_the_value_it_has_among_others(tmp_path, data, metrics):
    model = MODELS.build(tiny_runs.model())
    together = values_of(run_of(tmp_path, data, metrics, model))
    for config in (metrics[0], metrics[3]):
        alone = values_of(run_of(tmp_path, data, [config], model))
        assert alone.items() <= together.items()


def test_another_seed_gives_other_samples(tmp_path, data, metrics):
    model = MODELS.build(tiny_runs.model())
    first, second = (values_of(run_of(tmp_path, data, metrics[:1], model, seed)) for seed in (0, 1))
    assert first["FID/fid"] != second["FID/fid"]


def test_training_goes_on_with_the_numbers_it_would_have_without_evaluation(tmp_path, data, metrics):
    run = run_of(tmp_path, data, metrics)
    _ = run.val_loop
    before, numpy_before = torch.get_rng_state(), np.random.get_state()[1].copy()
    run.val_loop.run()
    assert torch.equal(torch.get_rng_state(), before)
    np.testing.assert_array_equal(np.random.get_state()[1], numpy_before)


def test_metrics_share_only_samples_that_they_agree_on(tmp_path, data, metrics):
    frontal = dict(metrics[0], prefix="frontal", sample_kwargs=dict(camera="mean"))
    run = run_of(tmp_path, data, [metrics[0], metrics[1], frontal])
    (evaluator,) = run.val_loop.evaluators
    assert isinstance(evaluator, SeededEvaluator)
    groups = evaluator.prepare_samplers(run.model, run.val_loop.dataloaders[0])
    assert [[metric.prefix for metric in group] for group, _ in groups] == [["FID", "IS"], ["frontal"]]


def test_metrics_of_one_set_of_real_images_get_as_many_as_the_last_needs(tmp_path, data, metrics):
    fewer = dict(metrics[3], prefix="fewer", fake_nums=4)
    run = run_of(tmp_path, data, [fewer, metrics[3]])
    ((group, batches),) = run.val_loop.evaluators[0].prepare_samplers(run.model, run.val_loop.dataloaders[0])
    assert len(group) == len(batches) == 2


def test_each_process_has_numbers_of_its_own(monkeypatch):
    def first(rank):
        monkeypatch.setattr(seeded_evaluator, "get_rank", lambda: rank)
        with SeededEvaluator(None, seed=3)._stream():
            return torch.rand(1).item()

    assert first(0) == first(0) != first(1)
