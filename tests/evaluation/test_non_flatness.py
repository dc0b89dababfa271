"""The non-flatness score and its metric."""

import math
import multiprocessing

import pytest
import torch
import torch.distributed as dist
from mmagic.evaluation import Evaluator
from mmagic.registry import METRICS, MODELS
from torch.utils.data import DataLoader

from projects.threedgp.evaluation import NonFlatnessScore, depth_histograms, non_flatness_score
from tests import tiny_runs
from tests.golden.helpers import Case

NEAR, FAR = 0.75, 1.25


def test_a_flat_map_scores_one():
    assert non_flatness_score(torch.full((2, 1, 4, 4), 0.9), NEAR, FAR).tolist() == [1, 1]


def test_a_uniform_map_scores_the_number_of_bins():
    depth = torch.linspace(NEAR, FAR, 64 * 64).reshape(1, 1, 64, 64)
    assert non_flatness_score(depth, NEAR, FAR).item() == pytest.approx(64, rel=1e-3)
    assert non_flatness_score(depth, NEAR, FAR, bins=8).item() == pytest.approx(8, rel=1e-3)


def test_two_equal_levels_score_two():
    depth = torch.tensor([0.8, 1.2]).repeat(8).reshape(1, 1, 4, 4)
    assert non_flatness_score(depth, NEAR, FAR).item() == pytest.approx(2)


def test_depth_outside_the_range_counts_in_the_outermost_bins():
    counts = depth_histograms(torch.tensor([-5.0, 0.75, 1.25, 99.0]).reshape(1, 1, 2, 2), NEAR, FAR)
    assert counts[0, 0] == counts[0, -1] == 2


@pytest.mark.golden
def test_scores_are_those_of_the_reference():
    case = Case("case_l_non_flatness")
    bounds = dict(near=case.values["min"], far=case.values["max"], bins=case.values["bins"])
    depth = case["in_depth"][:, None]
    scores = non_flatness_score(depth, **bounds)
    mine = {
        "out_histograms": depth_histograms(depth, **bounds),
        "out_score_per_map": scores,
        "out_entropy": scores.log(),
        "out_score": scores.mean(),
    }
    for key, value in mine.items():
        assert (value - case[key]).abs().max() <= case.tolerance[key]["atol"], key


def evaluator(**metric) -> dict:
    return dict(type="Evaluator", metrics=[dict(type="NonFlatnessScore", **metric)])


def validate(tmp_path, model, metrics: dict) -> dict:
    run = tiny_runs.runner(
        tmp_path / "run",
        model,
        val_dataloader=tiny_runs.loader(tiny_runs.write_images(tmp_path / "data"), training=False),
        val_evaluator=metrics,
        val_cfg=dict(type="MultiValLoop"),
    )
    return run, run.val_loop


class Sampled(list):
    """Replaces a model's forward and takes down what it is asked for."""

    def __init__(self, model):
        super().__init__()
        self.forward, model.forward = model.forward, self

    def __call__(self, inputs, *args, **kwargs):
        self.append(inputs)
        return self.forward(inputs, *args, **kwargs)


def test_metric_samples_frontal_cameras_and_reports_the_mean(tmp_path):
    model = MODELS.build(tiny_runs.model())
    sampled = Sampled(model)
    run, loop = validate(tmp_path, model, evaluator(fake_nums=6))
    loop.run()
    assert 1 <= run.message_hub.get_scalar("val/NFS/nfs").current() <= 64
    for inputs in sampled:
        assert inputs["sample_model"] == "ema"
        assert inputs["sample_kwargs"] == dict(camera="mean", marching=dict(cut_quantile=0.5))
    samples = sampled.forward(sampled[0])
    mean_camera = model.generator.prior.mean().params[0]
    assert all(torch.equal(sample.camera, mean_camera) for sample in samples)


def test_metrics_of_other_cameras_do_not_share_the_samples(tmp_path):
    model = MODELS.build(tiny_runs.model())
    sampled = Sampled(model)
    posterior = dict(type="NonFlatnessScore", fake_nums=4, sample_kwargs={}, prefix="posterior")
    metrics = evaluator(fake_nums=4)
    metrics["metrics"].append(posterior)
    run, loop = validate(tmp_path, model, metrics)
    loop.run()
    assert {str(inputs["sample_kwargs"].get("camera")) for inputs in sampled} == {"mean", "None"}
    assert run.message_hub.get_scalar("val/posterior/nfs").current() >= 1


@pytest.mark.parametrize("kind", ["ema", "orig"])
def test_metric_reads_the_generator_it_is_asked_to(kind):
    metric = METRICS.build(dict(type="NonFlatnessScore", fake_nums=2, sample_model=kind))
    metric.near, metric.far = NEAR, FAR
    flat, halves = torch.full((1, 4, 4), 0.9), torch.tensor([0.8, 1.2]).repeat(8).reshape(1, 4, 4)
    metric.process({}, 2 * [dict(ema=dict(depth=flat), orig=dict(depth=halves))])
    assert metric.evaluate()["NFS/nfs"] == pytest.approx(dict(ema=1, orig=2)[kind])


def score_in_a_process(rank: int, store: str, queue) -> None:
    """Rank r makes maps of r + 1 levels, so that scores are 1 and 2."""
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"file://{store}", rank=rank, world_size=2)
    metric = NonFlatnessScore(fake_nums=6)
    metric.near, metric.far = NEAR, FAR
    loader = DataLoader(range(4), batch_size=2)
    depth = torch.linspace(0.8, 0.8 + 0.4 * rank, 2).repeat(8).reshape(1, 4, 4)
    [(_, sampler)] = Evaluator(metric).prepare_samplers(torch.nn.Identity(), loader)
    for batch in sampler:
        metric.process(batch, batch["inputs"]["num_batches"] * [dict(depth=depth)])
    queue.put((rank, len(metric.fake_results), metric.evaluate()))
    dist.barrier()


def test_two_processes_score_all_maps_together(tmp_path):
    context = multiprocessing.get_context("fork")
    queue = context.Queue()
    arguments = [(rank, str(tmp_path / "store"), queue) for rank in range(2)]
    processes = [context.Process(target=score_in_a_process, args=each) for each in arguments]
    for process in processes:
        process.start()
    results = sorted(queue.get(timeout=60) for _ in processes)
    for process in processes:
        process.join(timeout=60)
    # Three maps per process are asked for, and batches of two make four; six of the eight count.
    assert [count for _, count, _ in results] == [4, 4]
    for _, _, values in results:
        assert values["NFS/nfs"] == pytest.approx((4 * 1 + 2 * 2) / 6)
        assert math.isfinite(values["NFS/nfs_std"])
