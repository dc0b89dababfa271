"""projects/threedgp/evaluation/checks.py: counts fit the data, and what cannot work is refused beforehand."""

import numpy as np
import pytest
import torch
from mmagic.registry import DATASETS, METRICS, MODELS
from torch.utils.data import DataLoader

from projects.threedgp.evaluation import check_evaluation
from tests import tiny_runs
from tests.stand_ins import save_inception_stand_in

SHAPE = (3, tiny_runs.SIZE, tiny_runs.SIZE)
IMAGES = 5


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    root = tiny_runs.write_images(tmp_path_factory.mktemp("images") / "data", num=IMAGES)
    return DATASETS.build(dict(tiny_runs.loader(root, training=False)["dataset"], _scope_="mmagic"))


@pytest.fixture(scope="module")
def model():
    return MODELS.build(tiny_runs.model())


@pytest.fixture
def said(monkeypatch):
    """The lines that are said."""
    lines = []
    monkeypatch.setattr(
        "projects.threedgp.evaluation.checks.print_log", lambda text, *args: lines.append(text)
    )
    return lines


def checked(dataset, model, *configs, batch_size=4):
    metrics = [METRICS.build(config) for config in configs]
    check_evaluation(metrics, DataLoader(dataset, batch_size=batch_size), model)
    return metrics


def swd(**arguments):
    return dict(type="SWD", prefix="SWD", fake_nums=512, image_shape=SHAPE) | arguments


def test_counts_beyond_the_data_are_lowered_and_said(tmp_path, dataset, model, said):
    fid = dict(type="LocalFID", real_nums=64, fake_nums=8, inception_path=save_inception_stand_in(tmp_path))
    flatness = dict(type="NonFlatnessScore", fake_nums=256)
    pairs, distance, score = checked(dataset, model, swd(), fid, flatness)
    assert (pairs.real_nums, pairs.fake_nums) == (IMAGES, IMAGES)
    assert (distance.real_nums, distance.fake_nums) == (IMAGES, 8)
    assert score.fake_nums == 256
    assert said == [
        "SWD: 5 real and generated images, as the data has no more; 512 were asked for",
        "FID: 5 real images, as the data has no more; 64 were asked for",
    ]


def test_counts_that_the_data_has_stay_and_nothing_is_said(tmp_path, dataset, model, said):
    fid = dict(type="LocalFID", real_nums=-1, fake_nums=8, inception_path=save_inception_stand_in(tmp_path))
    pairs, distance = checked(dataset, model, swd(fake_nums=IMAGES), fid)
    assert (pairs.real_nums, pairs.fake_nums, distance.real_nums) == (IMAGES, IMAGES, -1)
    assert said == []


def test_whole_numbers_may_be_written_as_floats(dataset, model):
    pairs, similarity = checked(dataset, model, swd(fake_nums=4e0), dict(type="MS_SSIM", fake_nums=4e0))
    for number in (pairs.fake_nums, pairs.real_nums, similarity.fake_nums, 2 * similarity.num_pairs):
        assert number == 4 and isinstance(number, int)


@pytest.mark.parametrize(
    ("config", "message"),
    [
        (dict(type="NonFlatnessScore", fake_nums=0), "NFS: got fake_nums=0, wanted at least 1"),
        (swd(fake_nums=2.5), "SWD: got real_nums=2.5, wanted a whole number"),
        (
            swd(image_shape=(3, 64, 64)),
            r"SWD: got real images \(3, 32, 32\), wanted image_shape=.*64",
        ),
        (dict(type="DepthAccuracy"), "DepthAccuracy: got estimator=None and no 'gt_depth'"),
        (
            dict(type="MultiViewConsistency", sample_kwargs=dict(no_such_option=1)),
            "the model makes no image with .*no_such_option.*TypeError",
        ),
    ],
    ids=["none", "half", "size", "no depth", "sampling"],
)
def test_what_cannot_work_is_refused(dataset, model, config, message):
    with pytest.raises(ValueError, match=message):
        checked(dataset, model, config)


def test_one_image_is_no_distribution(tmp_path, model):
    root = tiny_runs.write_images(tmp_path / "data", num=1)
    one = DATASETS.build(dict(tiny_runs.loader(root, training=False)["dataset"], _scope_="mmagic"))
    network = save_inception_stand_in(tmp_path)
    with pytest.raises(ValueError, match="FID: got 1 real image, wanted at least 2"):
        checked(one, model, dict(type="LocalFID", fake_nums=4, inception_path=network))
    (metric,) = checked(one, model, swd())
    assert metric.real_nums == metric.fake_nums == 1


def test_pairs_need_even_batches(dataset, model):
    config = dict(type="MS_SSIM", prefix="ms", fake_nums=4)
    checked(dataset, model, config, batch_size=4)
    with pytest.raises(ValueError, match="ms: got batch_size=3, wanted an even one"):
        checked(dataset, model, config, batch_size=3)


def test_metrics_that_would_give_one_name_twice_are_refused(dataset, model):
    flatness = dict(type="NonFlatnessScore", fake_nums=4)
    with pytest.raises(ValueError, match="got 2 metrics with prefix 'NFS', wanted different"):
        checked(dataset, model, flatness, flatness)
    checked(dataset, model, flatness, flatness | dict(prefix="other"))


def test_no_images_are_refused(model):
    with pytest.raises(ValueError, match="dataset: got a list without images"):
        checked([], model)


class NoDepth(torch.nn.Module):
    """A model that makes pictures alone."""

    def val_step(self, batch):
        return [dict(fake_img=torch.zeros(SHAPE))]


@pytest.mark.parametrize(
    ("kind", "field"),
    [("NonFlatnessScore", "depth"), ("MultiViewConsistency", "noise"), ("CameraDistance", "camera")],
)
def test_a_model_without_what_is_measured_is_named(tmp_path, dataset, kind, field):
    config = dict(type=kind, fake_nums=4)
    if kind == "CameraDistance":
        np.save(tmp_path / "cameras.npy", np.zeros((2, 8)))
        config["cameras"] = str(tmp_path / "cameras.npy")
    with pytest.raises(ValueError, match=f"{kind}: got samples of a NoDepth without '{field}'"):
        checked(dataset, NoDepth(), config)


@pytest.mark.parametrize("kind", ["LocalFID", "LocalInceptionScore"])
def test_a_network_of_another_kind_is_refused(tmp_path, dataset, model, kind):
    torch.jit.script(torch.nn.Conv2d(3, 3, 1)).save(str(tmp_path / "other.pt"))
    with pytest.raises(ValueError, match=r"inception_path: the network of \w+ takes no image"):
        checked(dataset, model, dict(type=kind, fake_nums=16, inception_path=str(tmp_path / "other.pt")))


def test_checking_leaves_random_numbers_mode_and_results_as_they_are(tmp_path, dataset, model):
    model.train()
    before, numpy_before = torch.get_rng_state(), np.random.get_state()[1].copy()
    network = save_inception_stand_in(tmp_path)
    (metric,) = checked(dataset, model, dict(type="LocalFID", fake_nums=4, inception_path=network))
    assert torch.equal(torch.get_rng_state(), before)
    np.testing.assert_array_equal(np.random.get_state()[1], numpy_before)
    assert model.training and not metric.fake_results
