"""projects/threedgp/evaluation/intra_class_diversity.py, and the distances it measures.

The features of the stand-in network are the mean of each channel and of its square, in [0, 1]: two plain
colours of 0 and 1 that differ in k channels are sqrt(2 k) apart.
"""

import math
import sys

import lpips
import numpy as np
import pytest
import torch
import torchvision
from mmagic.registry import DATASETS, METRICS, MODELS
from PIL import Image
from torch.utils.data import ConcatDataset, DataLoader

from projects.threedgp.evaluation.image_distances import load_distance
from projects.threedgp.evaluation.intra_class_diversity import choose_images
from tests import tiny_runs
from tests.stand_ins import save_inception_stand_in

BLACK, RED, YELLOW, WHITE = (0, 0, 0), (255, 0, 0), (255, 255, 0), (255, 255, 255)


@pytest.fixture
def network(tmp_path):
    return save_inception_stand_in(tmp_path)


def fakes(*colours: tuple[int, int, int], label: int = 0) -> list[dict]:
    """Plain images as the model delivers them, BGR."""
    images = [torch.tensor(rgb).float().flip(0)[:, None, None].expand(3, 8, 8) for rgb in colours]
    return [dict(fake_img=image, gt_label=dict(label=torch.tensor([label]))) for image in images]


def real_loader(folder, *classes: tuple, conditional: bool = True) -> DataLoader:
    """Plain images, a folder for each class."""
    for label, colours in enumerate(classes):
        for i, rgb in enumerate(colours):
            (folder / f"class{label}").mkdir(parents=True, exist_ok=True)
            image = np.broadcast_to(np.uint8(rgb), (32, 32, 3))
            Image.fromarray(image).save(folder / f"class{label}" / f"{i}.png")
    config = tiny_runs.loader(str(folder), training=False, use_depth=False, conditional=conditional)
    return DataLoader(DATASETS.build(dict(config["dataset"], _scope_="mmagic")), batch_size=2)


def evaluated(extractor: str, loader: DataLoader, samples: list[dict], num_classes=5, **arguments) -> dict:
    config = dict(type="IntraClassDiversity", extractor=extractor, fake_nums=len(samples), prefix="div")
    metric = METRICS.build(config | arguments)
    metric.prepare(MODELS.build(tiny_runs.model(num_classes=num_classes)), loader)
    metric.process({}, samples)
    return {key.removeprefix("div/"): value for key, value in metric.evaluate().items()}


def test_distances_are_means_over_the_pairs_of_a_class_and_then_over_classes(tmp_path, network):
    loader = real_loader(tmp_path / "data", (BLACK, WHITE), (BLACK, YELLOW))
    samples = fakes(BLACK, RED, YELLOW) + fakes(WHITE, WHITE, label=1)
    values = evaluated(network, loader, samples)
    first = (math.sqrt(2) + math.sqrt(2) + math.sqrt(4)) / 3
    assert values["diversity"] == pytest.approx(first / 2, abs=1e-5)
    assert values["real"] == pytest.approx((math.sqrt(6) + math.sqrt(4)) / 2, abs=1e-5)
    assert values["ratio"] == pytest.approx(values["diversity"] / values["real"])
    assert values["classes"] == 2


def test_one_image_per_class_has_no_diversity(tmp_path, network):
    loader = real_loader(tmp_path / "data", (BLACK, WHITE), (BLACK, WHITE))
    values = evaluated(network, loader, fakes(RED, RED) + fakes(WHITE, WHITE, label=1))
    assert values["diversity"] == values["ratio"] == 0


def test_the_network_sees_rgb_in_bytes(tmp_path, network):
    """Reals and fakes alike: the features of red are those of the first channel."""
    loader = real_loader(tmp_path / "data", (RED, RED))
    metric = METRICS.build(dict(type="IntraClassDiversity", extractor=network))
    seen, describe = [], metric.distance.describe
    metric.distance.describe = lambda images: seen.append(images) or describe(images)
    metric.prepare(MODELS.build(tiny_runs.model()), loader)
    metric.process({}, fakes(RED))
    assert len(seen) == 2
    for images in seen:
        assert images.dtype == torch.uint8
        assert (images == torch.tensor(RED)[:, None, None]).all()


def test_classes_without_pairs_on_both_sides_are_left_out(tmp_path, network):
    loader = real_loader(tmp_path / "data", (BLACK, RED), (BLACK, WHITE), (WHITE,))
    samples = fakes(BLACK, RED) + fakes(WHITE, label=1) + fakes(BLACK, WHITE, label=2)
    values = evaluated(network, loader, samples)
    assert values["classes"] == 1
    assert values["diversity"] == values["real"] == pytest.approx(math.sqrt(2), abs=1e-5)
    none = evaluated(network, loader, samples[:1])
    assert none["classes"] == 0 and math.isnan(none["diversity"]) and math.isnan(none["ratio"])


def test_only_so_many_images_of_a_class_are_paired(tmp_path, network):
    loader = real_loader(tmp_path / "data", (BLACK, WHITE))
    values = evaluated(network, loader, fakes(BLACK, RED, WHITE, WHITE), per_class=2)
    assert values["diversity"] == pytest.approx(math.sqrt(2), abs=1e-5)


@pytest.mark.parametrize("conditional", [True, False])
def test_an_unconditional_model_has_one_class(tmp_path, network, conditional):
    """Whatever the labels of the real images."""
    loader = real_loader(tmp_path / "data", (BLACK,), (WHITE,), conditional=conditional)
    samples = [dict(fake_img=each["fake_img"]) for each in fakes(BLACK, RED)]
    values = evaluated(network, loader, samples, num_classes=None)
    assert values["diversity"] == pytest.approx(math.sqrt(2), abs=1e-5)
    assert values["real"] == pytest.approx(math.sqrt(6), abs=1e-5)
    assert values["classes"] == 1


def test_real_images_are_spread_over_their_class(tmp_path):
    dataset = real_loader(tmp_path / "data", 5 * (RED,), 3 * (RED,)).dataset
    assert choose_images(dataset, 2, conditional=True) == [(0, 0), (0, 2), (1, 5), (1, 6)]
    assert choose_images(dataset, 4, conditional=False) == [(0, 0), (0, 2), (0, 4), (0, 6)]
    assert [label for label, _ in choose_images(dataset, 9, conditional=True)] == 5 * [0] + 3 * [1]


def test_real_images_of_unknown_class_are_refused_for_a_conditional_model(tmp_path):
    unlabelled = real_loader(tmp_path / "data", (RED,), conditional=False).dataset
    for dataset in (unlabelled, ConcatDataset([unlabelled, unlabelled])):
        with pytest.raises(ValueError, match=f"dataset: got a {type(dataset).__name__} without gt_label"):
            choose_images(dataset, 2, conditional=True)


@pytest.fixture(scope="module")
def alexnet(tmp_path_factory):
    """Random weights in the place of torchvision's, without the classifier, which LPIPS does not use."""
    torch.manual_seed(0)
    features = torchvision.models.alexnet(weights=None).features.state_dict()
    path = tmp_path_factory.mktemp("lpips") / "alexnet.pth"
    torch.save({f"features.{name}": value for name, value in features.items()}, path)
    return str(path)


def test_lpips_is_that_of_its_package(alexnet):
    distance = load_distance("lpips", alexnet)
    images = torch.randint(256, (3, 3, 40, 40), dtype=torch.uint8)
    reference = lpips.LPIPS(net="alex", pnet_rand=True, verbose=False).eval()
    given = torch.load(alexnet)
    for name, value in reference.net.named_parameters():
        value.data = given["features." + name.split(".", 1)[1]]
    rgb = images / 127.5 - 1
    with torch.no_grad():
        found = distance.pairwise(distance.describe(images))
        expected = [reference(rgb[i : i + 1], rgb[j : j + 1]).item() for i, j in ((0, 1), (0, 2), (1, 2))]
    assert min(expected) > 0
    torch.testing.assert_close(found, torch.tensor(expected))


def test_lpips_of_images_that_are_equal_is_nothing(tmp_path, alexnet):
    loader = real_loader(tmp_path / "data", (RED, RED, WHITE))
    samples = [dict(each, fake_img=each["fake_img"].repeat(1, 5, 5)) for each in fakes(RED, RED)]
    values = evaluated("lpips", loader, samples, lpips_path=alexnet)
    assert values["diversity"] == 0 and values["real"] > 0


def build(**arguments):
    return METRICS.build(dict(type="IntraClassDiversity", **arguments))


def test_missing_and_broken_networks_are_named(tmp_path):
    missing = str(tmp_path / "net.pt")
    with pytest.raises(FileNotFoundError, match=f"extractor: no file '{missing}'.*wanted 'lpips', or"):
        build(extractor=missing)
    with pytest.raises(FileNotFoundError, match=f"lpips_path: no file '{missing}'.*put https://.* there"):
        build(lpips_path=missing)
    torch.save({"features.0.weight": torch.zeros(1)}, missing)
    with pytest.raises(ValueError, match=r"lpips_path: .* does not hold torchvision's AlexNet"):
        build(lpips_path=missing)


def test_weights_that_cannot_be_downloaded_are_named(tmp_path, monkeypatch):
    def no_internet(*args, **kwargs):
        raise OSError("no internet")

    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setattr(sys.modules["torch.hub"], "download_url_to_file", no_internet)
    with pytest.raises(FileNotFoundError, match=r"hub/checkpoints/alexnet-.*no internet.*lpips_path"):
        build()


def test_a_class_needs_a_pair(network):
    with pytest.raises(ValueError, match="per_class: got 1, wanted at least 2"):
        build(extractor=network, per_class=1)
