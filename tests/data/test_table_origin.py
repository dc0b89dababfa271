"""A table of features knows what it was computed from; other images or another resolution are refused."""

import json
import os

import numpy as np
import pytest
from PIL import Image

import projects.threedgp  # noqa: F401
from projects.threedgp.data.image_depth_dataset import ImageDepthDataset
from projects.threedgp.data.row_table import checksum_of
from projects.threedgp.data.table_origin import TableOrigin, digests_of, stamps_of

NAMES = ["a/x.png", "b/y.png", "b/z.png"]


@pytest.fixture
def root(tmp_path):
    rng = np.random.default_rng(0)
    for name in NAMES:
        path = tmp_path / "train" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 256, (8, 8, 3), dtype=np.uint8)).save(path)
    rows = rng.normal(size=(3, 4)).astype(np.float32)
    np.save(tmp_path / "f.npy", rows)
    (tmp_path / "f.txt").write_text("\n".join(NAMES) + "\n")
    stamps = stamps_of(tmp_path / "train", NAMES)
    TableOrigin("resnet50", "0", 224, 8, *digests_of(stamps)).write(tmp_path / "f.json")
    return tmp_path / "train"


@pytest.fixture
def said(monkeypatch):
    lines = []
    monkeypatch.setattr("projects.threedgp.data.table_origin.print_log", lambda text, **_: lines.append(text))
    return lines


def open_dataset(root, resolution=8):
    return ImageDepthDataset(str(root), use_depth=False, features="../f.npy", resolution=resolution)


def test_the_images_it_was_computed_from_are_taken_and_the_teacher_is_named(root, said):
    assert len(open_dataset(root)) == 3
    assert len(said) == 1 and "resnet50 at 224 pixels, of images at 8 pixels" in said[0]


def test_another_resolution_is_refused(root):
    with pytest.raises(ValueError, match=r"f.npy.*computed at resolution 8, wanted 16; .*remove .*f.json"):
        open_dataset(root, 16)
    assert len(open_dataset(root, None)) == 3  # the images' own


def test_changed_images_are_refused(root):
    Image.new("RGB", (8, 8)).save(root / NAMES[1])
    with pytest.raises(ValueError, match=r"f.npy.*have changed since"):
        open_dataset(root)


def test_a_copied_folder_is_taken_with_a_warning(root, said):
    os.utime(root / NAMES[1], (1, 1))
    assert len(open_dataset(root)) == 3
    assert "copied or rewritten" in said[-1]


def test_fewer_images_are_taken_with_a_warning(root, said):
    (root / NAMES[0]).unlink()
    assert len(open_dataset(root)) == 2
    assert "are gone" in said[-1]


def test_a_table_of_before_is_taken_with_a_warning(root, said):
    (root / "../f.json").resolve().unlink()
    assert len(open_dataset(root, 16)) == 3
    assert len(said) == 1 and "nothing beside it tells" in said[0]


def test_a_table_of_which_a_bit_was_lost_is_refused(root):
    origin, path = (root / "../f.json").resolve(), (root / "../f.npy").resolve()
    kept = json.loads(origin.read_text()) | dict(rows=checksum_of(np.load(path)))
    origin.write_text(json.dumps(kept))
    assert len(open_dataset(root)) == 3
    content = bytearray(path.read_bytes())
    content[-5] ^= 1
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"f\.npy.*numbers are not those that were computed"):
        open_dataset(root)


@pytest.mark.parametrize("text", ["", "[]", "{}", json.dumps({"model": "resnet50"})])
def test_a_file_that_is_none_is_named(root, text):
    (root / "../f.json").resolve().write_text(text)
    with pytest.raises(ValueError, match=r"f.json does not tell the origin"):
        open_dataset(root)
