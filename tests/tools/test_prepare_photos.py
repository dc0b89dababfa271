"""Any folder of photos becomes a set that ImageDepthDataset reads."""

import json
import os
import re
from pathlib import Path

import cv2
import numpy as np
import pytest
import transformers
from PIL import Image

import projects.threedgp  # noqa: F401
from projects.threedgp.data.depth_estimation import DepthEstimator
from projects.threedgp.data.image_depth_dataset import ImageDepthDataset
from projects.threedgp.data.images import EXTENSIONS
from projects.threedgp.engine.run_config import merge_options, read_config
from projects.threedgp.errors import UserError
from tests.stand_ins import save_depth_stand_in
from tools.data import prepare_photos

ROOT = Path(__file__).resolve().parents[2]


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
    for name in ["x.jpg", "x.png", "sub/x.png", "y_depth.jpg", "all.jpg"]:
        add_photo(tmp_path / "photos" / name)
    meta = run(tmp_path / "photos", tmp_path / "out")
    assert meta["classes"] == {"all": 5}
    assert len(ImageDepthDataset(str(tmp_path / "out/train"), use_depth=False)) == 5


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
    assert "left out as unreadable (named above): 1 file\n" in printed.out


def test_max_images_are_spread_over_the_folder(tmp_path):
    for folder in "ab":
        for i in range(6):
            add_photo(tmp_path / "photos" / folder / f"{i}.png")
    meta = run(tmp_path / "photos", tmp_path / "out", "--max-images", "4")
    assert meta["classes"] == {"a": 2, "b": 2}


def account_adds_up(meta: dict) -> bool:
    return meta["files"]["images"] == sum(meta["images"].values()) and (
        meta["depth_maps"]["found"] == meta["depth_maps"]["used"] + meta["depth_maps"]["unused"]
    )


def test_every_input_file_is_accounted_for(photos, tmp_path, capsys):
    add_photo(photos / "loose.jpg")
    add_photo(photos / "owls" / "four.tif")
    for name in ("broken.png", "raw.heic", ".hidden", "orphan_depth.png"):
        (photos / "owls" / name).write_text("no image")
    os.symlink("..", photos / "owls" / "loop")
    meta = run(photos, tmp_path / "out", "--max-images", "4")
    assert meta["files"] == {"images": 6, "depth_maps": 1, "others": 1, "hidden": 1, "dead_ends": 1}
    assert meta["images"] == {"written": 3, "unreadable": 1, "without_class": 1, "not_drawn": 1}
    assert meta["depth_maps"] == {"found": 1, "used": 0, "unused": 1} and account_adds_up(meta)
    printed = capsys.readouterr().out
    for words in ("10 files: 6 images", "1 .heic", "e.g. loose.jpg", "left out by --max-images: 1 image\n"):
        assert words in printed
    assert "not used of the depth maps beside the photos: 1 of 1" in printed


def test_quickstart_looks_for_what_is_read():
    """It does so before anything is installed, so that it has a list of its own."""
    script = Path(__file__).resolve().parents[2] / "tools" / "quickstart.sh"
    (pattern,) = re.findall(r"-iregex '(.*)'", script.read_text())
    assert all(re.fullmatch(pattern, f"./a/x{end}") for end in EXTENSIONS)
    assert not re.fullmatch(pattern, "./a/x.heic")


@pytest.mark.parametrize("end", ["tif", "gif", "jfif", "avif", "jp2", "ppm"])
def test_every_format_that_pillow_reads_safely_is_taken(tmp_path, end):
    add_photo(tmp_path / "photos" / f"x.{end}", format="JPEG" if end == "jfif" else None)
    assert run(tmp_path / "photos", tmp_path / "out")["num_images"] == 1


def test_a_photo_gives_the_same_pixels_prepared_and_loaded_as_it_is(tmp_path):
    root = tmp_path / "photos"
    root.mkdir()
    rng = np.random.default_rng(0)
    noise = [Image.fromarray(rng.integers(0, 256, (41, 60, 3), dtype=np.uint8)) for _ in range(3)]
    exif = Image.Exif()
    exif[0x0112] = 6
    noise[0].putalpha(Image.fromarray(rng.integers(0, 256, (41, 60), dtype=np.uint8)))
    noise[0].save(root / "alpha.png")
    noise[1].save(root / "turned.webp", exif=exif)
    noise[2].save(root / "turned.jpg", exif=exif)
    Image.fromarray(rng.integers(0, 65536, (50, 37)).astype(np.uint16)).save(root / "grey.png")
    for name in ("alpha", "grey", "turned"):
        size = {"alpha": (41, 60), "grey": (50, 37), "turned": (60, 41)}[name]
        Image.fromarray(rng.integers(0, 65536, size).astype(np.uint16)).save(root / f"{name}_depth.png")
    (root / "turned.webp").rename(root / "lying.webp")
    (root / "lying_depth.png").write_bytes((root / "turned_depth.png").read_bytes())
    run(root, tmp_path / "out")
    pipeline = [dict(type="LoadImage"), dict(type="LoadDepth"), dict(type="FitSquare")]
    direct, prepared = (
        ImageDepthDataset(str(folder), conditional=False, resolution=16, pipeline=pipeline)
        for folder in (root, tmp_path / "out/train/all")
    )
    assert len(direct) == len(prepared) == 4
    for one, other in zip(direct, prepared, strict=True):
        np.testing.assert_array_equal(one["gt"], other["gt"])
        np.testing.assert_allclose(one["depth"], other["depth"], atol=1 / 65536)


def test_names_may_be_bytes_that_are_no_utf_8(tmp_path):
    name = os.fsdecode(b"caf\xe9")
    for folder in ("a", name):
        add_photo(tmp_path / "photos" / folder / f"{name}.jpg")
    (tmp_path / "photos" / name / f"{name}.png").write_text("no image")
    meta = run(tmp_path / "photos", tmp_path / "out")
    assert meta["classes"] == {"a": 1, name: 1} and meta["images"]["unreadable"] == 1
    assert len(ImageDepthDataset(str(tmp_path / "out/train"), use_depth=False)) == 2


# dataset.json


def write_labels(root: Path, labels: object) -> None:
    (root / "dataset.json").write_text(json.dumps({"labels": labels}))


def test_classes_come_from_dataset_json(photos, tmp_path, capsys):
    write_labels(photos, [["cats/one.jpg", 10], ["dogs/three.webp", 2]])
    meta = run(photos, tmp_path / "out")
    assert meta["classes"] == {"02": 1, "10": 1}
    assert outputs(tmp_path / "out") == ["train/02/dogs_three.png", "train/10/cats_one.png"]
    assert meta["images"]["without_class"] == 1 and account_adds_up(meta)
    assert "left out, as not in a class: 1 image, e.g. cats/2024/two.PNG" in capsys.readouterr().out
    assert run(photos, tmp_path / "one", "--single-class")["classes"] == {"all": 3}


@pytest.mark.parametrize(("label", "remark"), [(None, "no labels"), ([0.5] * 25, "cameras of 3 images")])
def test_dataset_json_without_classes_makes_one_class(photos, tmp_path, capsys, label, remark):
    write_labels(photos, [[name, label] for name in ("cats/one.jpg", "cats/2024/two.PNG", "dogs/three.webp")])
    assert run(photos, tmp_path / "out")["classes"] == {"all": 3}
    assert remark in capsys.readouterr().out


def test_a_malformed_dataset_json_is_one_line(photos, tmp_path, capsys):
    write_labels(photos, [["cats/one.jpg", "cat"]])
    with pytest.raises(SystemExit) as caught:
        run(photos, tmp_path / "out")
    error = capsys.readouterr().err
    assert caught.value.code == 2 and error.count("\n") == 1 and 'has the label "cat"' in error
    assert not (tmp_path / "out").exists()


# Depth maps beside the photos


def add_depth(photo: Path, levels: np.ndarray) -> None:
    Image.fromarray(levels.astype(np.uint16)).save(photo.with_name(f"{photo.stem}_depth.png"))


def prepared_depth(out: Path, name: str) -> np.ndarray:
    return np.asarray(Image.open(out / f"train/{name}_depth.png")).astype(int)


def test_depth_maps_beside_the_photos_are_cropped_and_resized_along(tmp_path):
    """A ramp from left to right, of which the square sees the middle."""
    add_depth(add_photo(tmp_path / "photos/a/x.jpg", (64, 32)), np.arange(64)[None].repeat(32, 0) * 1000)
    add_depth(add_photo(tmp_path / "photos/b/x.jpg", (64, 32)), np.full((16, 32), 5000))  # half the size
    meta = run(tmp_path / "photos", tmp_path / "out")
    assert meta["has_depth"] and meta["depth_maps"] == {"found": 2, "used": 2, "unused": 0}
    np.testing.assert_array_equal(prepared_depth(tmp_path / "out", "a/x")[3], 16500 + 2000 * np.arange(16))
    assert (prepared_depth(tmp_path / "out", "b/x") == 5000).all()
    run(tmp_path / "photos", tmp_path / "turned", "--depth-nearer-larger")
    assert (prepared_depth(tmp_path / "turned", "b/x") == 65535 - 5000).all()


def test_photos_without_a_depth_map_of_their_own_are_counted(tmp_path, capsys):
    root = tmp_path / "photos"
    add_depth(add_photo(root / "good.jpg"), np.zeros((20, 30)))
    add_depth(add_photo(root / "shape.jpg"), np.zeros((30, 20)))
    add_depth(add_photo(root / "shared.jpg"), np.zeros((20, 30)))
    add_photo(root / "shared.png")
    add_photo(root / "none.jpg")
    (add_photo(root / "cut.jpg").parent / "cut_depth.png").write_bytes(b"no image")
    meta = run(root, tmp_path / "out")
    assert meta["num_images"] == 6 and meta["num_depth"] == 1 and not meta["has_depth"]
    assert meta["depth_maps"] == {"found": 4, "used": 1, "unused": 3} and account_adds_up(meta)
    printed = capsys.readouterr()
    for words in (
        "shape_depth.png: is 20x30 pixels, its image 30x20",
        "cut_depth.png",
        "depth maps: 1 for 6 images: ",
    ):
        assert words in printed.out + printed.err
    assert len(ImageDepthDataset(str(tmp_path / "out/train"), on_bad="skip")) == 1


# Depth models


@pytest.mark.parametrize(("kind", "flag", "turned"), [("metric", False, False), ("relative", False, True)])
def test_the_config_tells_the_direction_of_depth_anything(tmp_path, kind, flag, turned):
    save_depth_anything(tmp_path, kind)
    assert DepthEstimator(str(tmp_path), flag, "cpu").nearer_larger == turned


def test_the_flag_may_not_contradict_the_config(tmp_path):
    save_depth_anything(tmp_path, "metric")
    with pytest.raises(UserError, match="estimates meters, and those grow"):
        DepthEstimator(str(tmp_path), True, "cpu")


def test_metric_models_are_refused_by_a_transformers_that_gets_them_wrong(tmp_path, monkeypatch):
    save_depth_anything(tmp_path, "metric")
    monkeypatch.setattr(transformers, "__version__", "4.44.2")
    with pytest.raises(UserError, match=r"transformers 4.44.2 gets wrong; wanted at least 4.45"):
        DepthEstimator(str(tmp_path), False, "cpu")


@pytest.mark.parametrize(
    ("config", "cause"),
    [
        ({"model_type": "depth_of_tomorrow"}, "architecture is too new"),
        ({}, "cannot be used"),
        (None, "cannot be"),
    ],
)
def test_a_model_that_transformers_does_not_know_is_one_line(photos, tmp_path, capsys, config, cause):
    model = tmp_path / "model"
    model.mkdir()
    if config is not None:
        (model / "config.json").write_text(json.dumps(config))
    with pytest.raises(SystemExit) as caught:
        run(photos, tmp_path / "out", "--depth-model", str(model))
    error = capsys.readouterr().err
    assert caught.value.code == 2 and cause in error and error.count("\n") == 1


def save_depth_anything(folder: Path, kind: str) -> None:
    """A tiny Depth Anything with random weights."""
    backbone = transformers.Dinov2Config(
        hidden_size=16,
        num_hidden_layers=4,
        num_attention_heads=2,
        image_size=28,
        out_indices=[1, 2, 3, 4],
        reshape_hidden_states=False,
        apply_layernorm=True,
    )
    config = transformers.DepthAnythingConfig(
        backbone_config=backbone,
        reassemble_hidden_size=16,
        neck_hidden_sizes=[8, 8, 8, 8],
        fusion_hidden_size=8,
        head_hidden_size=4,
        depth_estimation_type=kind,
        max_depth=20,
    )
    transformers.DepthAnythingForDepthEstimation(config).save_pretrained(folder)
    transformers.DPTImageProcessor(size={"height": 28, "width": 28}).save_pretrained(folder)


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


def test_without_a_depth_model_it_says_which_option_trains_on_them(photos, tmp_path, capsys):
    run(photos, tmp_path / "out")
    advice = re.search(
        r"no depth maps .*: (\S+) trains without depth \(quickstart.sh sets it", capsys.readouterr().out
    )
    config = read_config(ROOT / "configs" / "3dgp_imagenet256.py")
    merge_options(config, [f"train_dataloader.dataset.data_root={tmp_path / 'out' / 'train'}", advice[1]])
    assert not config.train_dataloader.dataset.use_depth
    assert advice[1] in (ROOT / "tools" / "quickstart.sh").read_text()


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
def test_nothing_to_prepare_is_an_error_that_leaves_nothing(tmp_path, content, capsys):
    (tmp_path / "photos").mkdir()
    if content:
        (tmp_path / "photos/x.jpg").write_text(content)
    with pytest.raises(SystemExit) as caught:
        run(tmp_path / "photos", tmp_path / "out")
    assert caught.value.code == 2 and "photos is" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["photos"]
