"""What ImageDepthDataset promises: order, labels, tables, and no broken file unnoticed."""

import json
import logging
import os
import pickle
import struct
import subprocess
import sys
import zlib
from pathlib import Path

import numpy as np
import pytest
import torch
from mmagic.registry import DATASETS
from mmengine.dataset import pseudo_collate
from mmengine.logging import MMLogger
from PIL import Image
from torch.utils.data import DataLoader

import projects.threedgp  # noqa: F401
from projects.threedgp.data.image_depth_dataset import ImageDepthDataset
from projects.threedgp.data.row_table import RowTable

REPOSITORY = Path(__file__).resolve().parents[2]
SIZE = (12, 10)  # width, height
LOAD = [{"type": "LoadImage", "key": "gt"}, {"type": "LoadDepth"}]


def noise(size: tuple[int, int], seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)


def add_image(path: Path, size: tuple[int, int] = SIZE, depth: bool = True, **save) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(noise(size)).save(path, **save)
    if depth:
        add_depth(path, size)
    return path


def add_depth(image: Path, size: tuple[int, int] = SIZE) -> Path:
    path = image.with_name(f"{image.stem}_depth.png")
    Image.fromarray(np.full((size[1], size[0]), 1000, np.uint16)).save(path)
    return path


def add_table(path: Path, names: list[str], rows: np.ndarray) -> str:
    np.save(path, rows)
    path.with_suffix(".txt").write_text("".join(f"{name}\n" for name in names))
    return str(path)


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-30])


def garble(path: Path) -> None:
    """Damage pixels in the middle: the header and the end stay whole."""
    data = bytearray(path.read_bytes())
    middle = len(data) // 2
    data[middle : middle + 20] = bytes(20)
    path.write_bytes(bytes(data))


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Two classes, one with a nested folder; 2 + 1 images."""
    root = tmp_path / "train"
    add_image(root / "b" / "two.JPEG")
    add_image(root / "b" / "deep" / "one.png")
    add_image(root / "a" / "three.webp")
    return root


@pytest.fixture
def log() -> list[str]:
    """The messages that the toolkit's logger gets."""
    messages: list[str] = []
    handler = logging.Handler()
    handler.emit = lambda record: messages.append(record.getMessage())  # type: ignore[method-assign]
    logger = MMLogger.get_current_instance()
    logger.addHandler(handler)
    yield messages
    logger.removeHandler(handler)


def names(dataset: ImageDepthDataset) -> list[str]:
    return [dataset.get_data_info(i)["name"] for i in range(len(dataset))]


# Finding images


def test_images_come_sorted_with_labels_of_the_first_folder_level(root):
    dataset = DATASETS.build({"type": "ImageDepthDataset", "data_root": str(root)})
    assert names(dataset) == ["a/three.webp", "b/deep/one.png", "b/two.JPEG"]
    assert [dataset.get_data_info(i)["gt_label"] for i in range(3)] == [[0], [1], [1]]
    assert dataset.metainfo["classes"] == ("a", "b")
    assert dataset.get_data_info(1)["depth_path"] == str(root / "b/deep/one_depth.png")


@pytest.mark.parametrize(
    "extension",
    [
        *("jpg", "JPG", "jpeg", "JPEG", "png", "webp", "bmp", "BMP"),
        *("tif", "TIFF", "gif", "avif", "jp2", "ppm"),
    ],
)
def test_every_image_extension_is_found(tmp_path, extension):
    add_image(tmp_path / "a" / f"x.{extension}", depth=False)
    assert len(ImageDepthDataset(str(tmp_path), use_depth=False)) == 1


def test_depth_maps_and_hidden_files_are_not_images(root):
    add_image(root / "a" / ".hidden.png", depth=False)
    assert len(ImageDepthDataset(str(root), use_depth=False)) == 3


def test_unconditional_folder_has_no_labels(tmp_path):
    add_image(tmp_path / "x.png")
    add_image(tmp_path / "folder" / "y.png")
    dataset = ImageDepthDataset(str(tmp_path), conditional=False)
    assert names(dataset) == ["folder/y.png", "x.png"]
    assert "gt_label" not in dataset.get_data_info(0)
    assert dataset.num_classes == 0
    assert dataset.label_distribution().shape == (0,)


def test_label_distribution_is_the_share_of_each_class(root):
    dataset = ImageDepthDataset(str(root), classes=["c", "a", "b"])
    np.testing.assert_allclose(dataset.label_distribution(), [0, 1 / 3, 2 / 3])
    wider = ImageDepthDataset(str(root), num_classes=5)
    np.testing.assert_allclose(wider.label_distribution(), [1 / 3, 2 / 3, 0, 0, 0])


def test_max_images_are_spread_over_the_classes(tmp_path):
    for folder in "abcd":
        for i in range(5):
            add_image(tmp_path / folder / f"{i}.png", depth=False)
    dataset = ImageDepthDataset(str(tmp_path), use_depth=False, max_images=4)
    assert dataset.num_classes == 4
    np.testing.assert_allclose(dataset.label_distribution(), [0.25] * 4)


def test_depth_may_lie_in_a_parallel_tree(root, tmp_path):
    target = tmp_path / "depth"
    for depth in root.rglob("*_depth.png"):
        moved = target / depth.relative_to(root)
        moved.parent.mkdir(parents=True, exist_ok=True)
        depth.rename(moved)
    dataset = ImageDepthDataset(str(root), depth_root=str(target), pipeline=LOAD)
    assert dataset[0]["depth"].shape == (10, 12, 1)


def test_names_may_be_bytes_that_are_no_utf_8_and_hold_line_ends(tmp_path, log):
    folder = tmp_path / os.fsdecode(b"caf\xe9")
    wanted = [
        f"{folder.name}/{name}" for name in ("line\nend.png", "line\u2028end.png", os.fsdecode(b"\xff.png"))
    ]
    for name in wanted:
        add_image(tmp_path / name)
    dataset = ImageDepthDataset(str(tmp_path), pipeline=LOAD)
    assert names(dataset) == wanted and dataset.metainfo["classes"] == (folder.name,)
    assert dataset[2]["gt"].shape == (10, 12, 3) and dataset[2]["depth"].shape == (10, 12, 1)
    (folder / os.fsdecode(b"\xff_depth.png")).unlink()
    ImageDepthDataset(str(tmp_path), on_bad="skip")
    assert any(r"caf\udce9/\udcff.png: depth map" in line for line in log)


def test_images_of_one_stem_do_not_share_a_depth_map(root):
    add_image(root / "a" / "three.jpg")
    with pytest.raises(ValueError, match=r"2 of 4 (.|\n)*a/three.jpg: shares its depth map") as caught:
        ImageDepthDataset(str(root))
    assert "a/three.webp: shares its depth map" in str(caught.value)
    assert len(ImageDepthDataset(str(root), use_depth=False)) == 4


def test_what_lies_in_the_folder_is_accounted_for(root, log):
    (root / "notes.txt").touch()
    (root / "a" / "photo.heic").touch()
    ImageDepthDataset(str(root))
    assert any("8 files: 3 images, 3 depth maps, 2 of other types (1 .heic, 1 .txt)" in line for line in log)


def test_the_toolkits_loader_is_replaced_by_the_one_decoder(tmp_path):
    image = Image.new("RGBA", SIZE, (255, 0, 0, 0))
    (tmp_path / "a").mkdir()
    image.save(tmp_path / "a/x.png")
    load = {"type": "LoadImageFromFile", "key": "gt", "channel_order": "rgb"}
    dataset = ImageDepthDataset(str(tmp_path), use_depth=False, pipeline=[load])
    assert (dataset[0]["gt"] == 255).all()


def test_the_toolkits_loader_with_options_of_its_own_stays_with_a_warning(root, log):
    load = {"type": "LoadImageFromFile", "key": "gt", "to_float32": True}
    dataset = ImageDepthDataset(str(root), pipeline=[load])
    assert dataset[0]["gt"].dtype == np.float32
    assert any("LoadImage reads the same" in line for line in log)


# Labels of dataset.json


def write_labels(root: Path, labels: object) -> None:
    (root / "dataset.json").write_text(json.dumps({"labels": labels}))


def test_labels_come_from_dataset_json_and_not_from_storage_folders(tmp_path, log):
    for name in ("00000/x.png", "00000/y.png", "00001/z.png"):
        add_image(tmp_path / name)
    write_labels(tmp_path, [["00000/x.png", 10], ["00000/y.png", 2], ["00001/z.png", 2]])
    dataset = ImageDepthDataset(str(tmp_path))
    assert [dataset.get_data_info(i)["gt_label"] for i in range(3)] == [[10], [2], [2]]
    assert dataset.num_classes == 11
    assert dataset.metainfo["classes"] == dataset.classes == tuple(f"{i:02d}" for i in range(11))
    assert any("dataset.json: labels of 3 images, 11 classes" in line for line in log)
    assert len(ImageDepthDataset(str(tmp_path), conditional=False)) == 3
    named = ImageDepthDataset(str(tmp_path), classes=[f"name {i}" for i in range(11)])
    assert named.get_cat_ids(0) == [10] and named.classes[10] == "name 10"


def test_an_image_that_dataset_json_does_not_name_is_found(root):
    write_labels(root, [["a/three.webp", 0], ["b/two.JPEG", 1]])
    with pytest.raises(ValueError, match=r"1 of 3 (.|\n)*b/deep/one.png: has no label in dataset.json"):
        ImageDepthDataset(str(root))


@pytest.mark.parametrize("label", [None, [0.5] * 25], ids=["null", "cameras"])
def test_dataset_json_without_classes_is_an_error_unless_unconditional(root, label):
    found = sorted(
        str(path.relative_to(root)) for path in root.rglob("*") if path.suffix in (".webp", ".JPEG")
    )
    write_labels(root, [[name, label] for name in found])
    with pytest.raises(ValueError, match=r"dataset.json: .*; wanted classes, or conditional=False"):
        ImageDepthDataset(str(root))
    assert len(ImageDepthDataset(str(root), conditional=False)) == 3


def test_folders_named_as_storage_are_not_taken_for_classes_silently(tmp_path, log):
    for name in ("00000/x.png", "01000/y.png"):
        add_image(tmp_path / name)
    assert ImageDepthDataset(str(tmp_path)).num_classes == 2
    assert any("folders 00000 to 01000" in line and "conditional=False" in line for line in log)


# Wrong arguments


@pytest.mark.parametrize("field", ["data_root", "depth_root", "features", "cameras"])
def test_a_missing_path_is_named_with_its_field(root, field):
    with pytest.raises(FileNotFoundError, match=rf"{field}='/no/such"):
        ImageDepthDataset(**{"data_root": str(root), field: "/no/such.npy"})


def test_empty_folder_is_an_error(tmp_path):
    with pytest.raises(ValueError, match=r"data_root=.*found no image, wanted"):
        ImageDepthDataset(str(tmp_path))


def test_images_without_class_folders_are_an_error_if_conditional(tmp_path):
    add_image(tmp_path / "x.png")
    with pytest.raises(ValueError, match="conditional=False"):
        ImageDepthDataset(str(tmp_path))


@pytest.mark.parametrize("field", ["resolution", "max_images"])
@pytest.mark.parametrize("value", [0, -1])
def test_a_size_below_one_is_an_error(root, field, value):
    with pytest.raises(ValueError, match=f"{field}={value!r}: wanted None or a whole number, at least 1"):
        ImageDepthDataset(str(root), **{field: value})


def test_a_size_that_is_a_text_is_an_error(root):
    """In a process of its own, as the tests check types before the dataset does."""
    code = (
        "import projects.threedgp; from projects.threedgp.data import ImageDepthDataset; "
        f"ImageDepthDataset({str(root)!r}, resolution='abc')"
    )
    run = subprocess.run([sys.executable, "-c", code], cwd=REPOSITORY, capture_output=True, text=True)
    assert "ValueError: resolution='abc': wanted None or a whole number, at least 1" in run.stderr


def test_where_no_image_has_a_depth_map_the_way_without_is_named(root):
    for path in root.rglob("*_depth.png"):
        path.unlink()
    with pytest.raises(ValueError, match=r"None has a depth map: model.generator.depth_adaptor=None trains"):
        ImageDepthDataset(str(root), use_depth=True)


def test_unknown_value_of_on_bad_is_an_error(root):
    with pytest.raises(ValueError, match="on_bad='ignore'"):
        ImageDepthDataset(str(root), on_bad="ignore")


# The scan


def test_cut_png_is_found_and_named(root):
    cut(root / "b/deep/one.png")
    with pytest.raises(ValueError, match=r"1 of 3 images(.|\n)*b/deep/one.png: image is not"):
        ImageDepthDataset(str(root))


def test_cut_jpeg_is_found_and_one_with_a_trailer_is_not_blamed(root):
    with open(root / "b/two.JPEG", "ab") as file:
        file.write(b"a camera's own metadata")
    assert len(ImageDepthDataset(str(root))) == 3
    cut(add_image(root / "b" / "cut.jpg", size=(200, 200)))
    with pytest.raises(ValueError, match=r"b/cut.jpg: image is not readable"):
        ImageDepthDataset(str(root))


def test_file_that_is_no_image_is_found(root):
    (root / "a" / "text.jpg").write_text("no image")
    with pytest.raises(ValueError, match=r"a/text.jpg: image is not readable"):
        ImageDepthDataset(str(root))


@pytest.mark.parametrize("size", [(60_000, 60_000), (0, 9)])
def test_an_image_that_would_fill_the_memory_or_has_no_pixel_is_found(root, size):
    path = root / "a/huge.png"
    add_image(path, depth=False)
    data = path.read_bytes()
    header = b"IHDR" + struct.pack(">II", *size) + data[24:29]
    path.write_bytes(data[:12] + header + struct.pack(">I", zlib.crc32(header)) + data[33:])
    with pytest.raises(ValueError, match=r"1 of \d+ images(.|\n)*a/huge.png: image is not readable"):
        ImageDepthDataset(str(root), use_depth=False)


def test_missing_depth_map_is_found(root):
    (root / "a/three_depth.png").unlink()
    with pytest.raises(ValueError, match=r"a/three.webp: depth map .*three_depth.png does not"):
        ImageDepthDataset(str(root))


def test_depth_map_of_another_size_is_found(root):
    add_depth(root / "b/two.JPEG", (12, 12))
    with pytest.raises(ValueError, match=r"b/two.JPEG: .* is 12x12 pixels, its image is 12x10"):
        ImageDepthDataset(str(root))


def exif_turned() -> Image.Exif:
    exif = Image.Exif()
    exif[0x0112] = 6
    return exif


@pytest.mark.parametrize("name", ["turned.jpg", "turned.png", "turned.webp", "turned.tif", "turned.avif"])
def test_sizes_are_compared_as_the_loader_sees_them(tmp_path, name):
    """Scan and loading agree on the EXIF orientation of every format."""
    image = add_image(tmp_path / "a" / name, exif=exif_turned())
    height, width = SIZE
    add_depth(image, (width, height))
    dataset = ImageDepthDataset(str(tmp_path), pipeline=LOAD)
    assert dataset[0]["depth"].shape[:2] == dataset[0]["gt"].shape[:2]
    add_depth(image, (height, width))
    with pytest.raises(ValueError, match="wanted equal sizes"):
        ImageDepthDataset(str(tmp_path))


def test_class_folder_that_is_not_in_classes_is_found(root):
    with pytest.raises(ValueError, match=r"a/three.webp: class folder 'a' is not in classes"):
        ImageDepthDataset(str(root), classes=["b"])


def test_label_out_of_range_is_found(root):
    with pytest.raises(ValueError, match=r"b/two.JPEG: has label 1, wanted less than num_classes=1"):
        ImageDepthDataset(str(root), num_classes=1)


def test_all_problems_come_in_one_report_that_names_twenty(tmp_path):
    for i in range(25):
        add_image(tmp_path / "a" / f"{i:02}.png", depth=False)
    with pytest.raises(ValueError, match="25 of 25 images") as caught:
        ImageDepthDataset(str(tmp_path))
    report = str(caught.value)
    assert "a/19.png" in report and "a/20.png" not in report and "and 5 more" in report


def test_skip_leaves_bad_images_out_and_says_so(root, log):
    cut(root / "b/deep/one.png")
    dataset = ImageDepthDataset(str(root), on_bad="skip")
    assert names(dataset) == ["a/three.webp", "b/two.JPEG"]
    assert any("1 of 3 images" in line and "b/deep/one.png" in line for line in log)


def test_skip_fails_if_nothing_is_left(tmp_path):
    add_image(tmp_path / "a" / "x.png", depth=False)
    with pytest.raises(ValueError, match="No image is left"):
        ImageDepthDataset(str(tmp_path), on_bad="skip")


# Broken files that show only in training


def many_images(root: Path, count: int) -> list[Path]:
    return [add_image(root / "a" / f"{i:03}.png", depth=False) for i in range(count)]


@pytest.mark.parametrize("damage", [garble, cut, Path.unlink])
def test_file_that_breaks_after_the_scan_is_replaced_and_named(tmp_path, log, damage):
    paths = many_images(tmp_path, 3)
    dataset = ImageDepthDataset(str(tmp_path), use_depth=False, pipeline=LOAD)
    damage(paths[1])
    assert dataset[1]["name"] != "a/001.png"
    assert dataset.num_failed >= 1
    assert any("a/001.png" in line for line in log)


@pytest.mark.parametrize("name", ["a/x.tif", "a/x_depth.png"])
def test_a_whole_file_of_another_range_is_replaced_and_named(tmp_path, log, name):
    """The scan reads no pixels, so that only loading finds out."""
    for path in ("a/x.tif", "a/y.png"):
        add_image(tmp_path / path)
    Image.fromarray(np.full((10, 12), 1.5, np.float32)).save(tmp_path / name, format="TIFF")
    dataset = ImageDepthDataset(str(tmp_path), pipeline=LOAD)
    assert dataset[0]["name"] == "a/y.png"
    assert any("a/x" in line and "wanted" in line for line in log)


def test_in_test_mode_the_next_sample_replaces_a_broken_one(tmp_path):
    garble(many_images(tmp_path, 3)[2])
    dataset = ImageDepthDataset(str(tmp_path), use_depth=False, pipeline=LOAD, test_mode=True)
    assert dataset[2]["name"] == "a/000.png"


def test_too_many_broken_files_are_an_error(tmp_path):
    for path in many_images(tmp_path, 12):
        garble(path)
    dataset = ImageDepthDataset(str(tmp_path), use_depth=False, pipeline=LOAD)
    with pytest.raises(RuntimeError, match=r"11 of 11 samples .* wanted at most 1%"):
        dataset[0]


def test_a_mistake_in_the_pipeline_is_not_taken_for_a_broken_file(root):
    dataset = ImageDepthDataset(str(root), pipeline=[{"type": "Flip", "keys": ["gt"]}])
    with pytest.raises(KeyError, match="gt"):
        for _ in range(50):
            dataset[0]
    assert dataset.num_failed == 0


# Tables


def test_rows_are_found_by_path_whatever_their_order(root, tmp_path):
    listed = ["b/two.JPEG", "unused.png", "a/three.webp", "b/deep/one.png"]
    features = add_table(tmp_path / "f.npy", listed, np.arange(8, dtype=np.float16).reshape(4, 2))
    cameras = add_table(tmp_path / "c.npy", listed, np.arange(32.0).reshape(4, 8))
    dataset = ImageDepthDataset(str(root), features=features, cameras=cameras)
    info = dataset.get_data_info(0)
    torch.testing.assert_close(info["teacher_feature"], torch.tensor([4.0, 5.0]))
    torch.testing.assert_close(info["camera"], torch.arange(16.0, 24.0))
    assert info["camera"].dtype == torch.float32


def test_image_without_a_feature_row_is_found(root, tmp_path):
    features = add_table(tmp_path / "f.npy", ["a/three.webp", "b/two.JPEG"], np.zeros((2, 4)))
    with pytest.raises(ValueError, match=r"1 of 3 (.|\n)*b/deep/one.png: has no row in features="):
        ImageDepthDataset(str(root), features=features, scan=False)
    assert len(ImageDepthDataset(str(root), features=features, on_bad="skip")) == 2


@pytest.mark.parametrize(
    ("rows", "listed"),
    [
        (np.zeros((2, 4)), ["x"]),
        (np.zeros((2, 4)), ["x", "x"]),
        (np.zeros((2, 4), np.int64), ["x", "y"]),
        (np.zeros(2), ["x", "y"]),
        (np.zeros((2, 9)), ["x", "y"]),
    ],
    ids=["too few names", "a name twice", "integers", "one dimension", "wrong columns"],
)
def test_malformed_camera_table_is_an_error(root, tmp_path, rows, listed):
    cameras = add_table(tmp_path / "c.npy", listed, rows)
    with pytest.raises(ValueError, match=r"cameras=.*wanted"):
        ImageDepthDataset(str(root), cameras=cameras)


def test_a_pickled_table_does_not_carry_its_rows(tmp_path):
    path = add_table(tmp_path / "f.npy", [str(i) for i in range(500)], np.ones((500, 100)))
    table = RowTable(path)
    packed = pickle.dumps(table)
    assert len(packed) < 2000
    torch.testing.assert_close(pickle.loads(packed)[499], table[499])


# Loading


def test_loader_with_two_workers_yields_all_images_and_reports_failures(tmp_path):
    paths = many_images(tmp_path, 8)
    dataset = ImageDepthDataset(str(tmp_path), use_depth=False, pipeline=LOAD, test_mode=True)
    garble(paths[3])
    loader = DataLoader(dataset, 2, num_workers=2, collate_fn=pseudo_collate)
    loaded = [name for batch in loader for name in batch["name"]]
    assert loaded == [f"a/{i:03}.png" for i in (0, 1, 2, 4, 4, 5, 6, 7)]
    assert dataset.num_failed == 1
