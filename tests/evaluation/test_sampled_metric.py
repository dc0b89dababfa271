"""projects/threedgp/evaluation/sampled_metric.py: metrics of generated samples through the toolkit."""

import json
import math
import multiprocessing

import numpy as np
import pytest
import torch
import torch.distributed as dist
from mmagic.evaluation import Evaluator
from mmagic.registry import METRICS, MODELS
from mmengine.config import Config
from torch.utils.data import DataLoader

from projects.threedgp.evaluation.sampled_metric import rgb_from_bgr_bytes
from projects.threedgp.training.packing import to_bgr_bytes
from tests import tiny_runs
from tests.stand_ins import save_inception_stand_in
from tools import test as test_tool

RESULTS = {
    "DepthAccuracy": ["ssi_rmse", "ordinal", "left_out"],
    "CameraDistance": ["yaw", "yaw_centred", "yaw_std"],
    "IntraClassDiversity": ["diversity", "real", "ratio", "classes"],
    "MultiViewConsistency": ["psnr", "l1", "visible", "left_out"],
}


class Brightness(torch.nn.Module):
    def forward(self, rgb: torch.Tensor) -> torch.Tensor:
        return rgb.mean(dim=1, keepdim=True)


def configs(folder, fake_nums: int = 6) -> list[dict]:
    """One config of each metric, with files in the folder for those that need one."""
    torch.jit.script(Brightness()).save(str(folder / "depth.pt"))
    np.save(folder / "cameras.npy", np.random.rand(20, 8))
    files = {
        "DepthAccuracy": dict(estimator=str(folder / "depth.pt")),
        "CameraDistance": dict(cameras=str(folder / "cameras.npy")),
        "IntraClassDiversity": dict(extractor=save_inception_stand_in(folder)),
        "MultiViewConsistency": {},
    }
    return [dict(type=kind, fake_nums=fake_nums, **files[kind]) for kind in RESULTS]


class Sampled(list):
    """Replaces a model's forward and takes down what it is asked for."""

    def __init__(self, model):
        super().__init__()
        self.forward, model.forward = model.forward, self

    def __call__(self, inputs, *args, **kwargs):
        self.append(inputs)
        return self.forward(inputs, *args, **kwargs)


def validate(tmp_path, model, metrics: list[dict]) -> dict[str, float]:
    run = tiny_runs.runner(
        tmp_path / "run",
        model,
        val_dataloader=tiny_runs.loader(tiny_runs.write_images(tmp_path / "data"), training=False),
        val_evaluator=dict(type="Evaluator", metrics=metrics),
        val_cfg=dict(type="MultiValLoop"),
    )
    run.val_loop.run()
    scalars = run.message_hub.log_scalars
    return {key.removeprefix("val/"): value.current() for key, value in scalars.items()}


@pytest.mark.parametrize("num_classes", [None, tiny_runs.CLASSES])
def test_all_metrics_measure_the_same_samples(tmp_path, num_classes):
    model = MODELS.build(tiny_runs.model(num_classes=num_classes))
    sampled = Sampled(model)
    values = validate(tmp_path, model, configs(tmp_path))
    assert {f"{kind}/{name}" for kind, names in RESULTS.items() for name in names} <= set(values)
    assert [inputs["sample_kwargs"] for inputs in sampled] == [{}, {}], "two batches of four, once"
    assert 0 <= values["DepthAccuracy/ssi_rmse"] <= 1
    assert values["CameraDistance/yaw"] > 0


def test_other_ways_to_sample_are_not_shared(tmp_path):
    model = MODELS.build(tiny_runs.model())
    sampled = Sampled(model)
    both = [dict(config, prefix=f"{i}") for i, config in enumerate(2 * configs(tmp_path)[:2])]
    both[2]["sample_kwargs"] = both[3]["sample_kwargs"] = dict(camera="mean")
    values = validate(tmp_path, model, both)
    assert [inputs["sample_kwargs"].get("camera") for inputs in sampled] == [None, None, "mean", "mean"]
    assert values["1/yaw_std"] > 0 == values["3/yaw_std"]


def test_the_command_line_measures_them(tmp_path):
    data_root = tiny_runs.write_images(tmp_path / "data")
    config = Config(
        dict(
            default_scope="mmagic",
            custom_imports=dict(imports=["projects.threedgp"]),
            model=tiny_runs.model(),
            test_dataloader=tiny_runs.loader(data_root, training=False),
            test_evaluator=dict(metrics=configs(tmp_path)),
            test_cfg=dict(type="MultiTestLoop"),
            randomness=dict(seed=7),
            log_level="WARNING",
        )
    )
    config.dump(tmp_path / "tiny_metrics.py")
    state = MODELS.build(tiny_runs.model()).state_dict()
    torch.save(dict(state_dict=state, meta={}), tmp_path / "tiny.pth")
    files = [str(tmp_path / name) for name in ("tiny_metrics.py", "tiny.pth")]
    test_tool.main([*files, "--work-dir", str(tmp_path / "work")])
    written = json.loads((tmp_path / "work" / "metrics.json").read_text())
    metrics, protocol, parameters = (written.pop(name) for name in ("metrics", "protocol", "parameters"))
    assert written == dict(config=files[0], checkpoint=files[1], data_root=data_root, seed="7")
    assert {f"{kind}/{name}" for kind, names in RESULTS.items() for name in names} <= set(metrics)
    assert {kind: counts["samples"] for kind, counts in protocol["metrics"].items()} == {
        config.get("prefix", config["type"]): config["fake_nums"] for config in configs(tmp_path)
    }
    assert parameters == {
        name: sum(weight.numel() for weight in getattr(MODELS.build(tiny_runs.model()), name).parameters())
        for name in ("generator", "discriminator")
    }


def measure_in_a_process(rank: int, store: str, folder: str, queue) -> None:
    """Rank r makes pictures of brightness r and depth maps in the right (0) or wrong (1) order."""
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"file://{store}", rank=rank, world_size=2)
    ramp = torch.linspace(0.8, 1.2, 16).reshape(1, 4, 4)
    sample = dict(
        depth=ramp if rank == 0 else ramp.flip((1, 2)),
        gt_depth=ramp,
        camera=torch.full((8,), float(rank)),
        fake_img=torch.full((3, 4, 4), 255.0 * rank),
        gt_label=dict(label=torch.tensor([0])),
    )
    depth = METRICS.build(dict(type="DepthAccuracy", fake_nums=8))
    cameras = METRICS.build(dict(type="CameraDistance", fake_nums=8, cameras=f"{folder}/cameras.npy"))
    network = f"{folder}/inception_stand_in.pt"
    diversity = METRICS.build(dict(type="IntraClassDiversity", fake_nums=8, extractor=network))
    diversity.conditional, diversity.real = True, {0: 2.0}
    metrics = Evaluator([depth, cameras, diversity])
    [(_, sampler)] = metrics.prepare_samplers(torch.nn.Identity(), DataLoader(range(4), batch_size=2))
    for batch in sampler:
        metrics.process(batch["inputs"]["num_batches"] * [sample], batch, metrics.metrics)
    queue.put((rank, metrics.evaluate()))
    dist.barrier()


def test_two_processes_measure_all_samples_together(tmp_path):
    np.save(tmp_path / "cameras.npy", np.zeros((3, 8)))
    save_inception_stand_in(tmp_path)
    context = multiprocessing.get_context("fork")
    queue = context.Queue()
    shared = (str(tmp_path / "store"), str(tmp_path), queue)
    processes = [context.Process(target=measure_in_a_process, args=(rank, *shared)) for rank in range(2)]
    for process in processes:
        process.start()
    results = sorted((queue.get(timeout=60) for _ in processes), key=lambda result: result[0])
    for process in processes:
        process.join(timeout=60)
    for _, values in results:
        assert values["DepthAccuracy/ssi_rmse"] == pytest.approx(1 / 2, abs=1e-6)
        assert values["CameraDistance/yaw"] == values["CameraDistance/yaw_std"] == pytest.approx(1 / 2)
        # Of the 28 pairs of eight pictures, 16 are of black and white, which are sqrt(6) apart.
        assert values["IntraClassDiversity/diversity"] == pytest.approx(16 / 28 * math.sqrt(6), abs=1e-5)


def test_the_bytes_of_a_sample_become_rgb_again():
    rgb = torch.rand(2, 3, 4, 4) * 2 - 1
    torch.testing.assert_close(rgb_from_bgr_bytes(to_bgr_bytes(rgb)), rgb, atol=0.5 / 127.5 + 1e-6, rtol=0)


def test_fields_beside_the_generators_are_found_too():
    metric = METRICS.build(dict(type="MultiViewConsistency", sample_model="orig"))
    label = dict(label=torch.tensor([3]))
    sample = dict(ema=dict(depth=torch.zeros(1)), orig=dict(depth=torch.ones(1)), noise=torch.full((1,), 7.0))
    assert metric.stacked([sample, sample], "depth").tolist() == [[1], [1]]
    assert metric.stacked([sample], "noise").tolist() == [[7]]
    assert metric.labels([sample]) is None
    assert metric.labels([sample | dict(gt_label=label)]).tolist() == [3]
