"""The model learns how frequent each class is."""

import pytest
import torch

from tests import tiny_runs


def train(tmp_path, model=None, **arguments):
    run = tiny_runs.training(
        *(tmp_path / "run", str(tmp_path / "data"), 0.004),
        model=tiny_runs.model() | (model or {}),
        custom_hooks=[dict(type="LabelDistributionHook")],
        **arguments,
    )
    return run.train()


def test_the_frequencies_of_the_data_reach_the_model(tmp_path):
    tiny_runs.write_images(tmp_path / "data", num=8)
    model = train(tmp_path)
    expected = torch.tensor([2, 2, 2, 1, 1]) / 8
    torch.testing.assert_close(model.label_distribution, expected)
    torch.testing.assert_close(model.state_dict()["label_distribution"], expected)


def test_a_wrong_number_of_classes_is_named(tmp_path):
    tiny_runs.write_images(tmp_path / "data", classes=3)
    with pytest.raises(ValueError, match=r"dataset has 3, model.num_classes is 5"):
        train(tmp_path)


def test_nothing_happens_without_classes(tmp_path):
    root = tiny_runs.write_images(tmp_path / "data")
    data = tiny_runs.loader(root, conditional=False)
    model = train(tmp_path, dict(num_classes=None), train_dataloader=data)
    assert model.label_distribution.tolist() == [1.0]


def test_unlabelled_data_for_a_model_with_classes_is_named(tmp_path):
    root = tiny_runs.write_images(tmp_path / "data")
    with pytest.raises(ValueError, match="train_dataloader: gt_label: got none, wanted labels of 5 classes"):
        train(tmp_path, train_dataloader=tiny_runs.loader(root, conditional=False))
