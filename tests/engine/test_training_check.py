"""Data that do not fit the model are refused before the first step, by the names of both settings."""

import numpy as np
import pytest
from mmengine.config import Config

from projects.threedgp.engine.train_loop import KimgTrainLoop
from projects.threedgp.engine.training_check import check_training
from projects.threedgp.errors import UserError
from tests import tiny_runs

PLACE = "train_dataloader.dataset"


def config(tmp_path, model=None, **dataset) -> Config:
    """A training whose parts fit, but for some changes."""
    np.save(tmp_path / "features.npy", np.zeros((3, 7), np.float32))
    data = dict(type="ImageDepthDataset", data_root=str(tmp_path), resolution=32, features="features.npy")
    parts = dict(
        type="ThreeDGP",
        num_classes=5,
        generator=dict(type="ThreeDGPGenerator", image_size=32),
        discriminator=dict(type="ThreeDGPDiscriminator", feature_dim=7),
        distillation=dict(type="KnowledgeDistillationLoss"),
    )
    validation = dict(type="ImageDepthDataset", data_root="x", use_depth=False, resolution=32)
    return Config(
        dict(
            model=parts | (model or {}),
            train_dataloader=dict(dataset=data | dataset),
            val_dataloader=dict(dataset=validation),
            test_dataloader=None,
        )
    )


def test_what_fits_passes(tmp_path):
    check_training(config(tmp_path))
    check_training(config(tmp_path, resolution=None))
    no_depth = dict(type="ThreeDGPGenerator", image_size=32, depth_adaptor=None)
    check_training(config(tmp_path, dict(generator=no_depth, num_classes=None), use_depth=False))
    check_training(config(tmp_path, dict(num_classes=None), conditional=False))


@pytest.mark.parametrize(
    ("dataset", "message"),
    [
        (dict(resolution=64), f"{PLACE}.resolution: got 64, wanted 32, as model.generator.image_size"),
        (dict(use_depth=False), f"{PLACE}.use_depth: got False, wanted True, as model.generator.depth_ad"),
        (dict(conditional=False), f"{PLACE}.conditional: got False, wanted True, as model.num_classes is 5"),
    ],
)
def test_settings_that_contradict_each_other_are_named(tmp_path, dataset, message):
    with pytest.raises(UserError, match=message):
        check_training(config(tmp_path, **dataset))


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04"])
def test_a_table_that_is_none_is_left_to_the_data_set(tmp_path, content):
    (tmp_path / "none.npy").write_bytes(content)
    check_training(config(tmp_path, features="none.npy"))


def test_a_table_of_another_width_is_named(tmp_path):
    discriminator = dict(type="ThreeDGPDiscriminator", feature_dim=8)
    message = rf"{PLACE}.features: got 7 numbers an image in .*features.npy, wanted 8, as model.discriminator"
    with pytest.raises(UserError, match=message):
        check_training(config(tmp_path, dict(discriminator=discriminator)))


def test_inner_datasets_and_those_of_validation_count_too(tmp_path):
    wrapped = config(tmp_path)
    inner = wrapped.train_dataloader.dataset
    inner.resolution = 16
    wrapped.train_dataloader.dataset = dict(type="RepeatDataset", times=2, dataset=inner)
    with pytest.raises(UserError, match=r"train_dataloader.dataset.dataset.resolution: got 16, wanted 32"):
        check_training(wrapped)
    validated = config(tmp_path)
    validated.val_dataloader.dataset.resolution = 64
    with pytest.raises(UserError, match=r"val_dataloader.dataset.resolution: got 64, wanted 32"):
        check_training(validated)


def test_other_models_of_the_toolkit_are_held_to_their_size(tmp_path):
    stylegan2 = dict(type="DistilledStyleGAN2", generator=dict(out_size=64))
    with pytest.raises(UserError, match=r"resolution: got 32, wanted 64, as model.generator.out_size"):
        check_training(config(tmp_path, stylegan2, use_depth=False, conditional=False))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (dict(resolution=16), r"train_dataloader: gt_img: got shape \(3, 16, 16\), wanted \(3, 32, 32\)"),
        (dict(without="LoadDepth"), "train_dataloader: depth: got none from the dataset"),
    ],
)
def test_what_no_setting_tells_the_first_sample_does(tmp_path, changes, message):
    root = tiny_runs.write_images(tmp_path / "data")
    loader = tiny_runs.loader(root)
    pipeline, without = loader["dataset"]["pipeline"], changes.pop("without", None)
    kept = [step for step in pipeline[:-1] if step["type"] != without]
    loader["dataset"] |= dict(pipeline=[*kept, dict(type="FitSquare"), pipeline[-1]], **changes)
    run = tiny_runs.training(tmp_path / "run", root, 0.004, train_dataloader=loader)
    with pytest.raises(UserError, match=message):
        run.train()
    assert run.iter == 0


def test_the_look_at_the_first_sample_changes_no_draw(tmp_path, monkeypatch):
    root = tiny_runs.write_images(tmp_path / "data")
    weights = []
    for name in ("with", "without"):
        run = tiny_runs.training(tmp_path / name, root, 0.008)
        weights.append(next(run.train().generator.parameters()).detach().clone())
        monkeypatch.setattr(KimgTrainLoop, "_check_first_sample", lambda loop: None)
    assert (weights[0] == weights[1]).all()
