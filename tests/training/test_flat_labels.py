"""Labels reach the toolkit's conditional GANs as one number per image."""

import pytest
import torch
from mmagic.registry import MODELS
from mmagic.structures import DataSample
from mmengine.registry import init_default_scope

import projects.threedgp  # noqa: F401


def batch(labels: list[int]) -> dict:
    """A batch as the dataloader gives it: labels are lists of one number."""
    samples = []
    for label in labels:
        sample = DataSample(gt_img=torch.full((3, 4, 4), 255.0))
        sample.set_gt_label([label])
        samples.append(sample)
    return dict(inputs=[{}] * len(labels), data_samples=samples)


@pytest.fixture
def preprocessor():
    init_default_scope("mmagic")
    return MODELS.build(dict(type="FlatLabelPreprocessor"))


def test_labels_are_flat_in_training(preprocessor):
    samples = preprocessor(batch([3, 1, 4]), True)["data_samples"]
    assert samples.gt_label.label.tolist() == [3, 1, 4]
    assert (samples.gt_img == 1).all()


def test_samples_without_labels_pass(preprocessor):
    images = [DataSample(gt_img=torch.zeros(3, 4, 4)) for _ in range(2)]
    samples = preprocessor(dict(inputs=[{}] * 2, data_samples=images), True)["data_samples"]
    assert samples.gt_img.shape == (2, 3, 4, 4)


def test_reals_of_a_projection_discriminator_get_one_logit_each(preprocessor):
    discriminator = MODELS.build(
        dict(type="BigGANDeepDiscriminator", input_scale=32, num_classes=5, base_channels=4)
    )
    samples = preprocessor(batch([0, 1, 2, 3]), True)["data_samples"]
    logits = discriminator(torch.randn(4, 3, 32, 32), label=samples.gt_label.label)
    assert logits.shape == (4, 1)
