"""A training that is cut and resumed ends, to the bit, where one ends that never stopped."""

from collections.abc import Iterable

import pytest
import torch

from projects.threedgp.data.drawn_index import DrawnIndex
from tests import tiny_runs

END = 0.048


def loader(root: str, workers: int = 0) -> dict:
    """With chance in the loading, too."""
    config = tiny_runs.loader(root)
    flip = dict(type="Flip", keys=["gt", "depth"], flip_ratio=0.5, direction="horizontal")
    crop = dict(type="Crop", keys=["gt"], crop_size=(tiny_runs.SIZE, tiny_runs.SIZE))
    config["dataset"]["pipeline"][2:2] = [flip, crop]
    return config | dict(num_workers=workers, persistent_workers=workers > 0)


def train(folder, root, *ends: float, workers: int = 0, **arguments) -> dict:
    """Train in as many parts as there are ends, and return the last checkpoint."""
    for end in ends:
        run = tiny_runs.training(
            folder, root, end, train_dataloader=loader(root, workers), resume=end != ends[0], **arguments
        )
        run.train()
        if hasattr(iterator := run.train_loop.dataloader_iterator._iterator, "_shutdown_workers"):
            iterator._shutdown_workers()
    return torch.load(folder / f"iter_{round(ends[-1] * 1000 / 4)}.pth", weights_only=False)


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


WAYS = {
    "cut once": ((0.016, END), {}),
    "cut twice, at other places": ((0.008, 0.036, END), {}),
    "loaded by workers": ((END,), dict(workers=2)),
    "cut, and loaded by workers": ((0.02, END), dict(workers=1)),
    "pictures on the way": ((0.024, END), dict(custom_hooks=[dict(type="SampleGridHook", interval=2)])),
}


@pytest.mark.parametrize("way", WAYS)
def test_the_end_is_the_same(tmp_path, root, straight, way):
    ends, arguments = WAYS[way]
    found = trained(train(tmp_path, root, *ends, **arguments))
    assert len(found["state_dict"]) > 100
    assert list(differences(found, straight)) == []


def test_another_seed_ends_elsewhere(tmp_path, root, straight):
    other = trained(train(tmp_path, root, END, randomness=dict(seed=1)))
    assert len(list(differences(other, straight))) > 100


def test_an_index_keeps_its_draw_on_the_way_to_a_worker():
    import pickle

    index = pickle.loads(pickle.dumps([DrawnIndex(7, 3, 40)]))[0]
    assert index == 7 and [7, 8][index - 6] == 8 and (index.seed, index.draw) == (3, 40)
