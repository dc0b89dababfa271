"""Metrics of one network: it is run once for all of them, and what is kept of the reals is shared."""

import numpy as np
import pytest
import torch
from mmagic.registry import DATASETS, METRICS, MODELS
from torch import nn
from torch.utils.data import DataLoader

from projects.threedgp.evaluation import check_evaluation, feature_metric
from projects.threedgp.evaluation.feature_metric import SharedNetwork, shared_network
from tests import tiny_runs
from tests.stand_ins import InceptionStandIn, save_inception_stand_in

IMAGES = 6


class Counter(nn.Module):
    """Counts how often a network is asked."""

    def __init__(self, network):
        super().__init__()
        self.network, self.calls = network, 0

    def forward(self, images, **options):
        self.calls += 1
        return self.network(images, **options)


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setattr(feature_metric, "MMAGIC_CACHE_DIR", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def network(tmp_path):
    return save_inception_stand_in(tmp_path)


def metrics_of(network, **arguments):
    kinds = ("LocalFID", "LocalKID", "LocalPrecisionRecall")
    return [
        METRICS.build(dict(type=kind, inception_path=network, fake_nums=8, **arguments)) for kind in kinds
    ]


def images_of(tmp_path):
    root = tiny_runs.write_images(tmp_path / "data", num=IMAGES)
    return DATASETS.build(dict(tiny_runs.loader(root, training=False)["dataset"], _scope_="mmagic"))


def test_the_network_is_asked_once_about_the_same_images():
    network = Counter(InceptionStandIn())
    shared = SharedNetwork(network, "StyleGAN")
    images = torch.randint(256, (2, 3, 4, 4), dtype=torch.uint8)
    first = shared(images, return_features=True)
    assert torch.equal(shared(images.clone(), return_features=True), first) and network.calls == 1
    assert torch.equal(first, network.network(images, return_features=True))
    assert shared(images).shape == (2, 3) and network.calls == 2
    images[0, 0, 0, 0] ^= 1
    shared(images)
    assert network.calls == 3
    shared(images[:1])
    assert network.calls == 4


def test_images_that_are_changed_in_place_are_other_images():
    shared = SharedNetwork(InceptionStandIn(), "StyleGAN")
    images = torch.zeros(1, 3, 4, 4, dtype=torch.uint8)
    shared(images, return_features=True)
    images += 255
    assert torch.equal(shared(images, return_features=True), torch.ones(1, 6))


def test_metrics_of_one_file_share_its_network_and_those_of_another_do_not(tmp_path, network):
    fid, kid, pr = metrics_of(network)
    assert fid.inception is kid.inception is pr.inception
    (tmp_path / "other").mkdir()
    torch.jit.script(nn.Sequential(nn.Identity(), nn.Identity())).save(str(tmp_path / "other" / "net.pt"))
    assert shared_network("StyleGAN", str(tmp_path / "other" / "net.pt"))[0] is not fid.inception


def test_kid_and_precision_keep_one_file_of_features_beside_that_of_fid(tmp_path, network, cache):
    model, loader = MODELS.build(tiny_runs.model()), DataLoader(images_of(tmp_path), batch_size=4)
    fid, kid, pr = metrics_of(network)
    counter = fid.inception.network = Counter(fid.inception.network)
    for metric in (fid, kid):
        metric.prepare(model, loader)
    asked = counter.calls
    pr.prepare(model, loader)
    assert counter.calls == asked
    assert sorted(path.name.rpartition("_")[0] for path in cache.iterdir()) == [
        "threedgp_features",
        "threedgp_fid",
    ]
    assert kid.real_features.shape == (IMAGES, 6) and torch.equal(kid.real_features, pr.real_features)
    mean = kid.real_features.double().mean(dim=0).numpy()
    np.testing.assert_allclose(fid.real_mean, mean, rtol=1e-12)


@pytest.mark.parametrize(
    ("kind", "least", "numbers"),
    [("LocalKID", 2, dict(fake_nums=1)), ("LocalPrecisionRecall", 4, dict(fake_nums=3))],
)
def test_fewer_images_than_a_metric_needs_are_refused(tmp_path, network, kind, least, numbers):
    config = dict(type=kind, inception_path=network, real_nums=IMAGES) | numbers
    loader = DataLoader(images_of(tmp_path), batch_size=4)
    with pytest.raises(ValueError, match=rf"got fake_nums={least - 1}, wanted at least {least}"):
        check_evaluation([METRICS.build(config)], loader, MODELS.build(tiny_runs.model()))


def test_models_are_measured_in_a_loop_of_the_toolkit(tmp_path, network):
    """The samples are those of FID: the model makes no second set."""
    run = tiny_runs.runner(
        tmp_path / "run",
        MODELS.build(tiny_runs.model()),
        val_dataloader=tiny_runs.loader(
            tiny_runs.write_images(tmp_path / "data", num=IMAGES), training=False
        ),
        val_evaluator=dict(
            type="Evaluator",
            metrics=[
                dict(type=kind, inception_path=network, fake_nums=8, real_nums=-1)
                for kind in ("LocalFID", "LocalKID", "LocalPrecisionRecall")
            ],
        ),
        val_cfg=dict(type="SeededValLoop"),
    )
    [samplers] = [
        evaluator.prepare_samplers(run.model, loader)
        for evaluator, loader in zip(run.val_loop.evaluators, run.val_loop.dataloaders, strict=True)
    ]
    assert [len(group) for group, _ in samplers] == [3]
    run.val_loop.run()
    values = {
        name: run.message_hub.get_scalar(f"val/{name}").current()
        for name in ("FID/fid", "KID/kid", "PR/precision", "PR/recall")
    }
    assert values["FID/fid"] > 0 and values["KID/kid"] > 0
    assert 0 <= values["PR/precision"] <= 1 and 0 <= values["PR/recall"] <= 1
