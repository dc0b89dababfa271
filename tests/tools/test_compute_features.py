"""The written features are the teacher's, row by row, and the dataset finds them."""

import os
from pathlib import Path

import numpy as np
import pytest
import timm
import torch
from PIL import Image

import projects.threedgp  # noqa: F401
from projects.threedgp.data.image_depth_dataset import ImageDepthDataset
from projects.threedgp.data.table_origin import read_origin
from projects.threedgp.models.teacher import TimmTeacher
from tools.data import compute_features

MODEL = "test_resnet"


@pytest.fixture
def photos(tmp_path) -> Path:
    root = tmp_path / "train"
    rng = np.random.default_rng(0)
    for i, name in enumerate(["a/x.png", "a/y.jpg", "b/z.png", "b/deep/w.png", "b/v.png"]):
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        pixels = rng.integers(0, 256, (20, 20 + 3 * i, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(path)
    return root


@pytest.fixture
def weights(tmp_path) -> str:
    path = tmp_path / "teacher.pth"
    torch.save(timm.create_model(MODEL).state_dict(), path)
    return str(path)


def run(photos: Path, out: Path, weights: str, *options: str) -> None:
    small = ["--image-size", "32", "--resolution", "24", "--batch-size", "2", "--workers", "0"]
    compute_features.main(
        [str(photos), str(out), "--model", MODEL, "--checkpoint", weights, *small, *options]
    )


def live_feature(photos: Path, name: str, weights: str) -> torch.Tensor:
    """What the teacher says about the picture that the training loads."""
    pipeline = [{"type": "LoadImage", "channel_order": "rgb"}, {"type": "FitSquare"}, {"type": "PackInputs"}]
    dataset = ImageDepthDataset(str(photos), use_depth=False, resolution=24, pipeline=pipeline)
    names = [dataset.get_data_info(i)["name"] for i in range(len(dataset))]
    image = dataset[names.index(name)]["data_samples"].gt_img
    return TimmTeacher(MODEL, weights, image_size=32)(image[None].float() / 127.5 - 1)[0]


def test_every_image_gets_the_feature_the_teacher_would_give_in_training(photos, tmp_path, weights):
    out = tmp_path / "features" / "teacher.npy"
    run(photos, out, weights)
    dataset = ImageDepthDataset(str(photos), use_depth=False, features=str(out))
    assert len(dataset) == 5
    for i in range(5):
        info = dataset.get_data_info(i)
        expected = live_feature(photos, info["name"], weights)
        torch.testing.assert_close(info["teacher_feature"], expected, atol=1e-4, rtol=1e-4)
    assert sorted(path.name for path in out.parent.iterdir()) == [
        "teacher.json",
        "teacher.npy",
        "teacher.txt",
    ]


def test_an_image_that_breaks_after_the_scan_gets_no_row(photos, tmp_path, weights, capsys):
    path = photos / "a/x.png"
    data = bytearray(path.read_bytes())
    data[len(data) // 2 : len(data) // 2 + 20] = bytes(20)
    path.write_bytes(bytes(data))
    run(photos, tmp_path / "teacher.npy", weights)
    assert np.load(tmp_path / "teacher.npy").shape[0] == 4
    names = (tmp_path / "teacher.txt").read_text().splitlines()
    assert names == ["a/y.jpg", "b/deep/w.png", "b/v.png", "b/z.png"]
    assert "no row, as unreadable (named above): 1 image\n" in capsys.readouterr().out


def test_the_table_knows_its_origin(photos, tmp_path, weights):
    run(photos, tmp_path / "teacher.npy", weights)
    origin = read_origin(tmp_path / "teacher.npy")
    assert (origin.model, origin.image_size, origin.resolution) == (MODEL, 32, 24)
    torch.save(timm.create_model(MODEL).state_dict(), weights)
    run(photos, tmp_path / "other.npy", weights)
    other = read_origin(tmp_path / "other.npy")
    assert other.weights != origin.weights and other.sizes == origin.sizes
    settings = dict(conditional=False, use_depth=False, features=str(tmp_path / "teacher.npy"))
    assert len(ImageDepthDataset(str(photos), resolution=24, **settings)) == 5
    with pytest.raises(ValueError, match="computed at resolution 24, wanted 32"):
        ImageDepthDataset(str(photos), resolution=32, **settings)


def test_random_features_are_refused(photos, tmp_path, capsys):
    with pytest.raises(SystemExit):
        compute_features.main([str(photos), str(tmp_path / "teacher.npy")])
    assert "would be random" in capsys.readouterr().err


def test_every_legal_name_gets_its_row(photos, tmp_path, weights):
    strange = ["line\nend.png", "u\u2028x.png", '"quoted".png', os.fsdecode(b"caf\xe9.png")]
    for old, new in zip(sorted(photos.rglob("*.png")), strange, strict=True):
        old.rename(photos / new)
    out = tmp_path / "teacher.npy"
    run(photos, out, weights)
    dataset = ImageDepthDataset(str(photos), conditional=False, use_depth=False, features=str(out))
    assert len(dataset) == 5
    for i in range(5):
        info = dataset.get_data_info(i)
        rows = np.load(out)
        assert (rows == info["teacher_feature"].numpy()).all(1).sum() == 1


def test_a_table_is_not_replaced_unless_that_is_said(photos, tmp_path, weights, capsys):
    out = tmp_path / "teacher.npy"
    out.write_text("mine")
    with pytest.raises(SystemExit):
        run(photos, out, weights)
    assert "exists already; wanted a new name, or --overwrite" in capsys.readouterr().err
    assert out.read_text() == "mine"
    run(photos, out, weights, "--overwrite")
    assert len(np.load(out)) == 5


def test_a_failure_leaves_nothing_behind(photos, tmp_path, weights, capsys):
    out = tmp_path / "features" / "teacher.npy"
    (photos / "a/bad.png").write_text("no image")
    with pytest.raises(SystemExit) as caught:
        run(photos, out, weights)
    assert caught.value.code == 2 and "a/bad.png" in capsys.readouterr().err
    assert not out.parent.exists() or not list(out.parent.iterdir())
