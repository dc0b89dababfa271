"""Any folder of photos becomes a set that ImageDepthDataset reads."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

import projects.threedgp  # noqa: F401
from projects.threedgp.data.image_depth_dataset import ImageDepthDataset
from tests.stand_ins import save_depth_stand_in
from tools.data import prepare_photos


def add_photo(path: Path, size: tuple[int, int] = (30, 20), colour="red", **save) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, colour).save(path, **save)
    return path


def run(photos: Path, out: Path, *options: str) -> dict:
    prepare_photos.main([str(photos), str(out), "--resolution", "16", "--device", "cpu", *options])
    return json.loads((out / "meta.json").read_text())


def outputs(out: Path) -> list[str]:
    return sorted(str(path.relative_to(out)) for path in out.rglob("*.png"))


@pytest.fixture
def photos(tmp_path) -> Path:
    """Two classes, one nested; all in all three photos."""
    root = tmp_path / "photos"
    add_photo(root / "cats" / "one.jpg")
    add_photo(root / "cats" / "2024" / "two.PNG")
    add_photo(root / "dogs" / "three.webp")
    return root


@pytest.fixture(scope="module")
def depth_model(tmp_path_factory) -> str:
    return save_depth_stand_in(tmp_path_factory.mktemp("depth_model"))


def test_folders_become_classes(photos, tmp_path):
    meta = run(photos, tmp_path / "out")
    assert outputs(tmp_path / "out") == [
        "train/cats/2024_two.png",
        "train/cats/one.png",
        "train/dogs/three.png",
    ]
    assert meta["classes"] == {"cats": 2, "dogs": 1}
    assert meta["num_classes"] == 2 and meta["num_images"] == 3
    assert meta["resolution"] == 16 and meta["has_depth"] is False


def test_a_plain_folder_is_one_class_and_names_stay_apart(tmp_path):
    for name in ["x.jpg", "x.png", "sub/x.png", "y_depth.jpg"]:
        add_photo(tmp_path / "photos" / name)
    meta = run(tmp_path / "photos", tmp_path / "out")
    assert meta["classes"] == {"all": 4}
    assert len(ImageDepthDataset(str(tmp_path / "out/train"), use_depth=False)) == 4


def test_single_class_overrides_folders(photos, tmp_path):
    assert run(photos, tmp_path / "out", "--single-class")["classes"] == {"all": 3}


def test_images_are_the_upright_central_square(tmp_path):
    """Red, green and blue thirds; the file is stored lying and says so."""
    stored = np.zeros((30, 90, 3), np.uint8)
    for third in range(3):
        stored[:, third * 30 : third * 30 + 30, third] = 255
    exif = Image.Exif()
    exif[0x0112] = 6
    (tmp_path / "photos").mkdir()
    Image.fromarray(stored).save(tmp_path / "photos/x.png", exif=exif)
    run(tmp_path / "photos", tmp_path / "out")
    with Image.open(tmp_path / "out/train/all/x.png") as image:
        assert image.size == (16, 16) and image.mode == "RGB"
        assert image.getexif().get(0x0112) in (None, 1)
        assert np.asarray(image).reshape(-1, 3).mean(0).argmax() == 1


def test_orientation_of_the_photo_is_applied(tmp_path):
    """Stored: left half red. Orientation 6 turns it clockwise, so red comes to the top."""
    stored = np.zeros((32, 32, 3), np.uint8)
    stored[:, :16, 0] = 255
    exif = Image.Exif()
    exif[0x0112] = 6
    (tmp_path / "photos").mkdir()
    Image.fromarray(stored).save(tmp_path / "photos/x.png", exif=exif)
    run(tmp_path / "photos", tmp_path / "out")
    red = np.asarray(Image.open(tmp_path / "out/train/all/x.png"))[..., 0]
    assert red[:6].min() > 200 and red[-6:].max() < 50


def test_transparent_parts_become_white(tmp_path):
    (tmp_path / "photos").mkdir()
    Image.new("RGBA", (20, 20), (255, 0, 0, 0)).save(tmp_path / "photos/x.png")
    run(tmp_path / "photos", tmp_path / "out")
    assert np.asarray(Image.open(tmp_path / "out/train/all/x.png")).min() == 255


def test_unreadable_photos_are_skipped_counted_and_named(photos, tmp_path, capsys):
    (photos / "cats/broken.jpg").write_text("no image")
    meta = run(photos, tmp_path / "out")
    assert meta["num_images"] == 3
    assert [Path(name).name for name in meta["skipped"]] == ["broken.jpg"]
    printed = capsys.readouterr()
    assert "broken.jpg" in printed.out + printed.err
    assert "1 files were not readable" in printed.out


def test_max_images_are_spread_over_the_folder(tmp_path):
    for folder in "ab":
        for i in range(6):
            add_photo(tmp_path / "photos" / folder / f"{i}.png")
    meta = run(tmp_path / "photos", tmp_path / "out", "--max-images", "4")
    assert meta["classes"] == {"a": 2, "b": 2}


# Depth


def test_depth_maps_lie_beside_the_images_and_use_16_bits(photos, tmp_path, depth_model):
    meta = run(photos, tmp_path / "out", "--depth-model", depth_model)
    assert meta["has_depth"] is True
    dataset = ImageDepthDataset(str(tmp_path / "out/train"))
    assert len(dataset) == 3
    for i in range(3):
        stored = cv2.imread(dataset.get_data_info(i)["depth_path"], cv2.IMREAD_UNCHANGED)
        assert stored.dtype == np.uint16 and stored.shape == (16, 16)
        assert stored.min() == 0 and stored.max() == 65535


def test_inverse_depth_is_turned_so_that_larger_is_farther(photos, tmp_path, depth_model):
    run(photos, tmp_path / "plain", "--depth-model", depth_model)
    run(photos, tmp_path / "inverse", "--depth-model", depth_model, "--depth-nearer-larger")
    for path in (tmp_path / "plain").rglob("*_depth.png"):
        twin = tmp_path / "inverse" / path.relative_to(tmp_path / "plain")
        plain, inverse = (cv2.imread(str(p), cv2.IMREAD_UNCHANGED) for p in (path, twin))
        np.testing.assert_allclose(plain.astype(int) + inverse, 65535, atol=2)


def test_without_a_depth_model_it_says_so(photos, tmp_path, capsys):
    run(photos, tmp_path / "out")
    assert "use_depth=False" in capsys.readouterr().out


# Folders


def test_a_filled_folder_is_refused_unless_overwritten(photos, tmp_path, capsys):
    out = tmp_path / "out"
    out.mkdir()
    (out / "precious.txt").write_text("x")
    with pytest.raises(SystemExit):
        run(photos, out)
    assert "not empty" in capsys.readouterr().err
    assert (out / "precious.txt").exists()
    run(photos, out, "--overwrite")
    assert not (out / "precious.txt").exists() and len(outputs(out)) == 3


@pytest.mark.parametrize("out", [".", "inside", ".."])
def test_the_photos_themselves_cannot_be_overwritten(photos, out, capsys):
    with pytest.raises(SystemExit):
        run(photos, photos / out, "--overwrite")
    assert "wanted a folder apart from the photos" in capsys.readouterr().err
    assert len(list(photos.rglob("*.*"))) == 3


@pytest.mark.parametrize("content", [None, "no image"])
def test_nothing_to_prepare_is_an_error_that_leaves_nothing(tmp_path, content):
    (tmp_path / "photos").mkdir()
    if content:
        (tmp_path / "photos/x.jpg").write_text(content)
    with pytest.raises(SystemExit, match="photos is"):
        run(tmp_path / "photos", tmp_path / "out")
    assert [path.name for path in tmp_path.iterdir()] == ["photos"]
