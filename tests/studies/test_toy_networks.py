"""tools/studies/toy_networks.py: what it writes is what metrics and teachers read; its networks can learn."""

import json

import numpy as np
import pytest
import torch
from torch import nn

from projects.threedgp.evaluation import DepthAccuracy, LocalFID
from projects.threedgp.models import TimmTeacher
from projects.threedgp.scenes import CLASSES, ToySettings
from projects.threedgp.studies import toy_networks
from projects.threedgp.studies.arms import NETWORK_FILES
from projects.threedgp.studies.toy_networks import (
    TEACHER,
    TEACHER_SIZE,
    Scenes,
    TeacherClassifier,
    ToyClassifier,
    ToyDepthEstimator,
    load_training_scenes,
    render_held_out_scenes,
    train,
)
from tests.studies.conftest import NUM_SCENES
from tools.studies import toy_networks as tool

SIDE = 32


# Networks


@pytest.fixture
def classifier():
    return ToyClassifier(SIDE, width=4).eval()


@pytest.fixture
def images():
    return torch.randint(0, 256, (3, 3, SIDE, SIDE), dtype=torch.uint8)


def test_the_classifier_is_called_as_inception_is(classifier, images):
    features = classifier(images, return_features=True)
    assert features.shape == (3, 16)
    with torch.no_grad():
        classifier.head.bias.copy_(torch.arange(len(CLASSES)))
    logits = features @ classifier.head.weight.T
    for unbiased, expected in ((False, logits + classifier.head.bias), (True, logits)):
        probabilities = classifier(images, no_output_bias=unbiased)
        torch.testing.assert_close(probabilities, expected.softmax(dim=1))


def test_the_classifier_resizes_what_is_larger(classifier):
    colour = torch.tensor([200, 100, 50], dtype=torch.uint8).view(1, 3, 1, 1)
    # The border of an image weighs less in a larger one.
    sizes = (SIDE, 2 * SIDE)
    small, large = (classifier(colour.expand(1, 3, n, n), return_features=True) for n in sizes)
    torch.testing.assert_close(small, large)
    classifier.resolution = 2 * SIDE
    assert not torch.allclose(small, classifier(colour.expand(1, 3, 64, 64), return_features=True))


@pytest.mark.parametrize("side", [16, 32])
def test_estimated_depth_has_the_size_of_the_image(side):
    assert ToyDepthEstimator(width=4)(torch.randn(2, 3, side, side)).shape == (2, 1, side, side)


# Scenes


def test_scenes_are_read_as_they_were_rendered(prepared):
    scenes = load_training_scenes(prepared)
    settings = ToySettings.from_dict(json.loads((prepared / "meta.json").read_text()))
    assert scenes.rgb.shape == (NUM_SCENES, 3, SIDE, SIDE)
    assert scenes.depth.shape == (NUM_SCENES, 1, SIDE, SIDE)
    cameras = (prepared / "cameras.txt").read_text().split()
    assert [CLASSES[i] for i in scenes.label] == [name.split("/")[0] for name in cameras]
    image = toy_networks.render_scene(0, 5, SIDE, settings=settings)
    expected = toy_networks.as_scenes([image.rgb], [toy_networks.encode_depth(image.depth, settings)], [5])
    torch.testing.assert_close(scenes.rgb[5], expected.rgb[0])
    torch.testing.assert_close(scenes.depth[5], expected.depth[0])


def test_held_out_scenes_are_of_the_same_kind_but_others(prepared):
    settings = ToySettings.from_dict(json.loads((prepared / "meta.json").read_text()))
    held_out, known = render_held_out_scenes(16, SIDE, settings), load_training_scenes(prepared)
    assert held_out.label.tolist() == 2 * list(range(len(CLASSES)))
    assert held_out.rgb.abs().amax() <= 1
    assert 0 <= held_out.depth.amin() < held_out.depth.amax() <= 1
    differences = (held_out.rgb[:, None] - known.rgb[None]).abs().flatten(2).amax(dim=2)
    assert differences.min() > 0.05


def test_batches_hold_every_scene_once_and_mirror_depth_with_colour():
    n = 10
    ramp = torch.arange(8.0).expand(1, 4, 8) + 100 * torch.arange(n).view(n, 1, 1, 1)
    scenes = Scenes(ramp.expand(n, 3, 4, 8), ramp, torch.arange(n))
    batches = list(scenes.batches(4, np.random.default_rng(0)))
    assert [len(batch.label) for batch in batches] == [5, 5]
    assert sorted(torch.cat([batch.label for batch in batches]).tolist()) == list(range(n))
    mirrored = set()
    for batch in batches:
        for rgb, depth, label in zip(batch.rgb, batch.depth, batch.label, strict=True):
            assert torch.equal(rgb, depth.expand(3, 4, 8))
            mirrored.add(bool(depth[0, 0, 0] > depth[0, 0, -1]))
            assert torch.equal(depth.amin(), 100.0 * label)
    assert mirrored == {True, False}


# Training


def test_a_classifier_learns_what_can_be_told_and_ends_frozen():
    """Dark and bright images, fewer than a batch."""
    label = torch.arange(40) % 2
    scenes = Scenes((label[:, None, None, None] - 0.5).expand(40, 3, 8, 8), torch.zeros(40, 1, 8, 8), label)
    network = ToyClassifier(8, width=4)
    train(network, scenes, toy_networks.extractor_loss, epochs=100, title="test")
    logits = network.head(network.features(scenes.rgb))
    assert toy_networks.accuracy(logits, scenes) == 1
    assert not network.training and not any(p.requires_grad for p in network.parameters())


def test_depth_loss_is_in_units_of_the_true_depths_spread():
    depth = torch.rand(4, 1, 8, 8)
    scenes = Scenes(torch.zeros(4, 3, 8, 8), depth, torch.zeros(4, dtype=torch.long))
    double = Scenes(scenes.rgb, 2 * depth, scenes.label)

    class Shifted(nn.Module):
        def __init__(self, truth):
            super().__init__()
            self.truth = truth

        def forward(self, _):
            return 1.5 * self.truth

    losses = [toy_networks.depth_loss(Shifted(each.depth), each) for each in (scenes, double)]
    torch.testing.assert_close(losses[0], losses[1])
    assert losses[0] > 0.1
    assert toy_networks.depth_loss(nn.Identity(), Scenes(depth, depth, scenes.label)) == 0


# Files


def test_fid_takes_the_extractor(prepared, images):
    metric = LocalFID(fake_nums=4, inception_path=str(prepared / "networks" / "extractor.ts"))
    assert metric.inception(images, return_features=True).shape == (3, 128)
    probabilities = metric.inception(images, no_output_bias=True)
    torch.testing.assert_close(probabilities.sum(dim=1), torch.ones(3))
    assert not metric.inception.training


def test_depth_accuracy_takes_the_estimator(prepared):
    path = str(prepared / "networks" / "depth_estimator.ts")
    metric = DepthAccuracy(estimator=path, fake_nums=4)
    sample = dict(fake_img=255 * torch.rand(3, SIDE, SIDE), depth=torch.rand(1, SIDE, SIDE))
    metric.process({}, [sample] * 4)
    measured = metric.compute_metrics(metric.fake_results)
    assert 0 < measured["ssi_rmse"] <= 1


def test_a_teacher_is_made_of_the_checkpoint_and_sees_what_the_classifier_saw(prepared):
    checkpoint = prepared / "networks" / "teacher.pth"
    teacher = TimmTeacher(TEACHER, checkpoint=str(checkpoint), image_size=TEACHER_SIZE)
    classifier = TeacherClassifier().eval()
    classifier.network.load_state_dict(torch.load(checkpoint, weights_only=True))
    rgb = torch.rand(2, 3, SIDE, SIDE) * 2 - 1
    torch.testing.assert_close(classifier.network.get_classifier()(teacher(rgb)), classifier(rgb))


@pytest.mark.parametrize("name", ["extractor.ts", "depth_estimator.ts"])
def test_scripts_are_frozen(prepared, name):
    parameters = list(torch.jit.load(prepared / "networks" / name).parameters())
    assert parameters and not any(parameter.requires_grad for parameter in parameters)


def test_the_report_says_how_good_they_are_and_on_what(prepared):
    quality = json.loads((prepared / "networks" / "networks.json").read_text())
    assert quality.keys() == NETWORK_FILES.keys()
    for report in quality.values():
        assert (report["epochs"], report["training_images"], report["held_out_images"]) == (1, NUM_SCENES, 32)
        shares = [
            value for name, value in report.items() if name.startswith("held_out") and "images" not in name
        ]
        assert shares and all(0 <= share <= 1 for share in shares)


def test_only_what_is_asked_for_is_trained_anew(prepared, tmp_path):
    out = tmp_path / "networks"
    out.mkdir()
    (out / "networks.json").write_text(json.dumps({"teacher": {"model": "mine"}}))
    tool.main([str(prepared), str(out), "--epochs", "1", "--held-out", "8", "--only", "extractor"])
    assert {path.name for path in out.iterdir()} == {"networks.json", "extractor.ts"}
    quality = json.loads((out / "networks.json").read_text())
    assert quality["teacher"] == {"model": "mine"}
    assert quality["extractor"]["held_out_images"] == 8
