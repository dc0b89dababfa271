"""A training that is cut and resumed ends, to the bit, where one ends that never stopped."""

import shutil
from collections.abc import Iterable

import pytest
import torch

from projects.threedgp.data.drawn_index import DrawnIndex
from projects.threedgp.engine.divergence_hook import not_finite
from tests import tiny_runs
from tests.engine.ddp_runner_worker import WRAPPER
from tests.reliability.forked import start_processes

END = 0.048


def loader(root: str, workers: int = 0) -> dict:
    """With chance in the loading, too."""
    config = tiny_runs.loader(root)
    flip = dict(type="Flip", keys=["gt", "depth"], flip_ratio=0.5, direction="horizontal")
    crop = dict(type="Crop", keys=["gt"], crop_size=(tiny_runs.SIZE, tiny_runs.SIZE))
    config["dataset"]["pipeline"][2:2] = [flip, crop]
    return config | dict(num_workers=workers, persistent_workers=workers > 0)


def train(folder, root, *ends: float, workers: int = 0, resume: bool = False, **arguments) -> dict:
    """Train in as many parts as there are ends, and return the last checkpoint."""
    data = dict(train_dataloader=loader(root, workers))
    if "val_cfg" in arguments:
        data["val_dataloader"] = tiny_runs.loader(root, training=False)
    for end in ends:
        if "train_cfg" in arguments:
            arguments["train_cfg"] = arguments["train_cfg"] | dict(total_kimg=end)
        run = tiny_runs.training(folder, root, end, resume=resume or end != ends[0], **data | arguments)
        run.train()
        if hasattr(iterator := run.train_loop.dataloader_iterator._iterator, "_shutdown_workers"):
            iterator._shutdown_workers()
    return torch.load(folder / f"iter_{run.iter}.pth", weights_only=False)


def train_with_others(folder, root, end: float, arguments: dict) -> None:
    """Train in one of several processes, from where the last part ended."""
    torch.set_num_threads(1)
    torch.distributed.init_process_group("gloo")
    cfg = dict(model_wrapper_cfg=WRAPPER)
    train(folder, root, end, resume=True, launcher="pytorch", cfg=cfg, **arguments)


def train_in_two(folder, root, *ends: float, **arguments) -> dict:
    """Train in two processes, in as many parts as there are ends."""
    for end in ends:
        log = folder / f"part_{end}.log"
        processes = start_processes(2, log, train_with_others, folder, root, end, arguments)
        for process in processes:
            process.join()
        assert [process.exitcode for process in processes] == [0, 0], log.with_name(f"{log.stem}_0.log")
    return torch.load(folder / f"iter_{round(ends[-1] * 1000 / 8)}.pth", weights_only=False)


def differences(a, b, name: str = "") -> Iterable[str]:
    """Names of what is not equal in two nested structures."""
    if isinstance(a, dict):
        assert a.keys() == b.keys(), name
        for key in a:
            yield from differences(a[key], b[key], f"{name}.{key}")
    elif isinstance(a, list | tuple):
        assert len(a) == len(b), name
        for index, pair in enumerate(zip(a, b, strict=True)):
            yield from differences(*pair, f"{name}.{index}")
    elif isinstance(a, torch.Tensor):
        if not torch.equal(a, b):
            yield name
    elif a != b:
        yield name


def trained(checkpoint: dict) -> dict:
    """What a training is about: weights, averages, counts, and the optimisers' states."""
    return {key: checkpoint[key] for key in ("state_dict", "optimizer")}


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    return tiny_runs.write_images(tmp_path_factory.mktemp("data"))


@pytest.fixture(scope="module")
def straight(tmp_path_factory, root):
    return trained(train(tmp_path_factory.mktemp("straight"), root, END))


EVALUATION = dict(
    train_cfg=dict(type="KimgTrainLoop", total_kimg=END, val_interval_kimg=0.008),
    val_cfg=dict(type="SeededValLoop"),
    val_evaluator=dict(type="Evaluator", metrics=[dict(type="NonFlatnessScore", fake_nums=4)]),
)
PICTURES = [dict(type="SampleGridHook", interval=2), dict(type="CameraHistogramHook", interval=3)]
WAYS = {
    "cut once": ((0.016, END), {}),
    "cut twice, at other places": ((0.008, 0.036, END), {}),
    "loaded by workers": ((END,), dict(workers=2)),
    "cut, and loaded by workers": ((0.02, END), dict(workers=1)),
    "pictures on the way": ((0.024, END), dict(custom_hooks=PICTURES)),
    "evaluated on the way": ((0.028, END), EVALUATION),
}


@pytest.mark.parametrize("way", WAYS)
def test_the_end_is_the_same(tmp_path, root, straight, way):
    ends, arguments = WAYS[way]
    found = trained(train(tmp_path, root, *ends, **arguments))
    assert len(found["state_dict"]) > 100
    assert list(differences(found, straight)) == []


@pytest.mark.slow
def test_so_it_is_in_two_processes_with_evaluation_and_pictures_and_without(tmp_path, root):
    whole = trained(train_in_two(tmp_path / "whole", root, END))
    cut = trained(train_in_two(tmp_path / "cut", root, 0.016, 0.04, END, custom_hooks=PICTURES, **EVALUATION))
    assert list(differences(cut, whole)) == []
    # One process goes on from where two were, and with another batch: in order, but not to the bit.
    (tmp_path / "one").mkdir()
    shutil.copy(tmp_path / "whole" / "iter_3.pth", tmp_path / "one")
    alone = trained(train(tmp_path / "one", root, END, resume=True))
    assert alone["state_dict"]["images_seen"] == whole["state_dict"]["images_seen"] == 48
    assert len(list(differences(alone, whole))) > 100
    assert not_finite(alone["state_dict"]) == []


def test_another_seed_ends_elsewhere(tmp_path, root, straight):
    other = trained(train(tmp_path, root, END, randomness=dict(seed=1)))
    assert len(list(differences(other, straight))) > 100


def test_an_index_keeps_its_draw_on_the_way_to_a_worker():
    import pickle

    index = pickle.loads(pickle.dumps([DrawnIndex(7, 3, 40)]))[0]
    assert index == 7 and [7, 8][index - 6] == 8 and (index.seed, index.draw) == (3, 40)
