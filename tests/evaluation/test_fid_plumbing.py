"""What reaches the Inception network, and what is said when there is none.

The network here is a stand-in: its numbers only show that pictures arrive.
"""

import dataclasses
import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from mmagic.registry import DATASETS, METRICS, MODELS
from PIL import Image
from torch import nn

from projects.threedgp.evaluation import inception
from tests import tiny_runs
from tests.stand_ins import save_inception_stand_in

RED = (255, 0, 0)


@pytest.fixture
def network(tmp_path):
    return save_inception_stand_in(tmp_path)


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    """Nothing is kept in, or taken from, the toolkit's own cache; nothing is downloaded."""
    monkeypatch.setattr(inception, "MMAGIC_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setattr("projects.threedgp.evaluation.feature_metric.MMAGIC_CACHE_DIR", str(tmp_path))

    def no_internet(*args, **kwargs):
        raise ConnectionError("no internet")

    monkeypatch.setattr(inception, "download_from_url", no_internet)
    return tmp_path


class Recorder(nn.Module):
    """Takes down the images that a network sees."""

    def __init__(self, network):
        super().__init__()
        self.network, self.images = network, []

    def forward(self, images, **kwargs):
        self.images.append(images)
        return self.network(images, **kwargs)


def red_model() -> nn.Module:
    """A ThreeDGP whose averaged generator makes nothing but red."""
    model = MODELS.build(tiny_runs.model())
    generator = model.generator_ema.module
    generate = generator.generate

    def red(*args, **kwargs):
        output = generate(*args, **kwargs)
        rgb = torch.tensor([1.0, -1.0, -1.0])[:, None, None].expand_as(output.rgb)
        return dataclasses.replace(output, rgb=rgb)

    generator.generate = red
    return model


def metrics(network: str) -> list[dict]:
    shared = dict(fake_nums=6, inception_path=network)
    return [dict(type="LocalFID", **shared), dict(type="LocalInceptionScore", splits=2, **shared)]


def test_red_is_red_for_the_network_in_reals_and_fakes(tmp_path, network):
    data = tiny_runs.write_images(tmp_path / "data", num=6, colour=RED)
    run = tiny_runs.runner(
        tmp_path / "run",
        red_model(),
        val_dataloader=tiny_runs.loader(data, training=False),
        val_evaluator=dict(type="Evaluator", metrics=metrics(network)),
        val_cfg=dict(type="MultiValLoop"),
    )
    fid, score = run.val_loop.evaluators[0].metrics
    fid.inception, score.inception = Recorder(fid.inception), Recorder(score.inception)
    run.val_loop.run()
    reals, *fakes = fid.inception.images[0], *fid.inception.images[2:], *score.inception.images
    assert len(fakes) >= 3
    for images in (reals, *fakes):
        assert images.dtype == torch.uint8
        assert (images == torch.tensor(RED)[:, None, None]).all()
    values = {key: run.message_hub.get_scalar(f"val/{key}").current() for key in ("FID/fid", "IS/is")}
    assert values["FID/fid"] == pytest.approx(0, abs=1e-4)
    assert values["IS/is"] == pytest.approx(1)


def dataset(root: str, **arguments):
    config = tiny_runs.loader(root, training=False, **arguments)["dataset"]
    return DATASETS.build(dict(config, _scope_="mmagic"))


def test_statistics_belong_to_images_sizes_pipeline_and_network(tmp_path, network):
    root = tiny_runs.write_images(tmp_path / "data")
    names = {inception.statistics_name(dataset(root), "StyleGAN", network, -1)}
    assert names == {inception.statistics_name(dataset(root), "StyleGAN", network, -1)}
    names.add(inception.statistics_name(dataset(root), "StyleGAN", network, 5))
    names.add(inception.statistics_name(dataset(root), "PyTorch", None, -1))
    names.add(inception.statistics_name(dataset(root, max_images=5), "StyleGAN", network, -1))
    smaller = dataset(root)
    smaller.pipeline.transforms.pop()
    names.add(inception.statistics_name(smaller, "StyleGAN", network, -1))
    Image.new("RGB", (32, 32)).save(Path(root, "class0", "000.png"))
    names.add(inception.statistics_name(dataset(root), "StyleGAN", network, -1))
    with open(network, "ab") as file:
        file.write(b"another")
    names.add(inception.statistics_name(dataset(root), "StyleGAN", network, -1))
    assert len(names) == 7


def test_statistics_of_several_datasets_need_a_name(network):
    with pytest.raises(ValueError, match="inception_pkl: got None for a ConcatDataset"):
        data = torch.utils.data.ConcatDataset([[1], [2]])
        inception.statistics_name(data, "StyleGAN", network, -1)


def test_statistics_are_kept_and_used_again(tmp_path, network):
    metric = METRICS.build(dict(type="LocalFID", fake_nums=2, inception_path=network))
    model = MODELS.build(tiny_runs.model())
    images = dataset(tiny_runs.write_images(tmp_path / "data", num=6, colour=RED))
    loader = torch.utils.data.DataLoader(images, batch_size=4)
    metric.prepare(model, loader)
    [kept] = tmp_path.glob("threedgp_fid_*.npz")
    mean = np.load(kept, allow_pickle=False)["real_mean"]
    np.testing.assert_allclose(mean, [1, 0, 0, 1, 0, 0], atol=1e-6)
    again = METRICS.build(dict(type="LocalFID", fake_nums=2, inception_path=network))
    again.inception = Recorder(again.inception)
    again.prepare(model, loader)
    assert not again.inception.images


@pytest.mark.parametrize("kind", ["LocalFID", "LocalInceptionScore"])
def test_a_missing_network_is_named_with_its_place(tmp_path, kind):
    missing = str(tmp_path / "weights" / "inception.pt")
    with pytest.raises(FileNotFoundError, match=f"no file '{missing}'.*put https://.*there"):
        METRICS.build(dict(type=kind, inception_path=missing))
    with pytest.raises(FileNotFoundError, match=r"cache/inception-2015-12-05.pt.*no internet.*put"):
        METRICS.build(dict(type=kind))


@pytest.mark.parametrize(
    "kind, file",
    [("LocalFID", "pt_inception-2015-12-05"), ("LocalInceptionScore", "inception_v3_google")],
)
def test_missing_weights_of_the_other_style_are_named_too(tmp_path, monkeypatch, kind, file):
    def no_internet(*args, **kwargs):
        raise OSError("no internet")

    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setattr(torch.hub, "download_url_to_file", no_internet)
    with pytest.raises(FileNotFoundError, match=f"hub/checkpoints/{file}.*no internet"):
        METRICS.build(dict(type=kind, inception_style="PyTorch"))


def test_a_broken_network_is_named(tmp_path):
    broken = tmp_path / "inception.pt"
    broken.write_bytes(b"half a file")
    with pytest.raises(ValueError, match=r"inception.pt' is not a \(whole\) TorchScript file"):
        METRICS.build(dict(type="LocalFID", inception_path=str(broken)))


@pytest.mark.parametrize("numbers", [dict(fake_nums=5), dict(fake_nums=0.5), dict(splits=0)])
def test_fewer_images_than_groups_are_refused(network, numbers):
    config = dict(type="LocalInceptionScore", inception_path=network)
    with pytest.raises(ValueError, match="1 <= splits <= fake_nums"):
        METRICS.build(config | numbers)


def test_a_pickle_of_statistics_is_refused_and_kept(tmp_path, network):
    """The toolkit's form; it is neither read, which can run code, nor overwritten."""
    path = tmp_path / "real.pkl"
    path.write_bytes(pickle.dumps(dict(real_mean=np.zeros(6), real_cov=np.eye(6))))
    metric = METRICS.build(dict(type="LocalFID", inception_path=network, inception_pkl=str(path)))
    loader = torch.utils.data.DataLoader(dataset(tiny_runs.write_images(tmp_path / "data", num=6)))
    before = path.read_bytes()
    with pytest.raises(ValueError, match=r"inception_pkl: got .*real\.pkl', wanted an \.npz"):
        metric.prepare(MODELS.build(tiny_runs.model()), loader)
    assert path.read_bytes() == before
