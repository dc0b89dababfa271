"""What keeps the statistics of real images: the digest of their dataset, and whole files."""

import io
import os
import pickle

import numpy as np
import pytest
from mmagic.registry import DATASETS
from PIL import Image

from projects.threedgp.evaluation.dataset_identity import dataset_digest
from projects.threedgp.evaluation.kept_statistics import read_or_make
from tests import tiny_runs


def dataset(root, **arguments):
    config = tiny_runs.loader(root, training=False, **arguments)["dataset"]
    return DATASETS.build(dict(config, _scope_="mmagic"))


@pytest.fixture
def root(tmp_path):
    return tiny_runs.write_images(tmp_path / "data")


def test_a_digest_is_the_same_for_the_same_images(root):
    assert dataset_digest(dataset(root)) == dataset_digest(dataset(root))


def test_resolution_is_in_the_digest_before_any_transform_uses_it(root):
    assert len({dataset_digest(dataset(root, resolution=side)) for side in (None, 8, 16)}) == 3


def test_a_rewritten_file_of_equal_size_and_time_is_noticed(root):
    file = f"{root}/class1/006.png"
    pixels = np.asarray(Image.open(file)).copy()
    Image.fromarray(pixels).save(file.replace("png", "bmp"))
    file = file.replace("png", "bmp")
    images = dataset(root, use_depth=False)
    before, stamp = dataset_digest(images), os.stat(file)
    Image.fromarray(255 - pixels).save(file)
    os.utime(file, ns=(stamp.st_atime_ns, stamp.st_mtime_ns))
    after = os.stat(file)
    assert (after.st_size, after.st_mtime_ns) == (stamp.st_size, stamp.st_mtime_ns)
    assert dataset_digest(images) != before


def test_what_the_pipeline_delivers_is_in_the_digest_even_if_it_does_not_tell(root):
    class Darker:
        def __init__(self, by):
            self.by = by

        def __call__(self, results):
            results["gt"] = results["gt"] // self.by
            return results

        def __repr__(self):
            return "Darker()"

    digests = set()
    for by in (1, 2):
        images = dataset(root)
        images.pipeline.transforms.insert(1, Darker(by))
        digests.add(dataset_digest(images))
    assert len(digests) == 2


def statistics(value: float) -> dict:
    return dict(mean=np.full(2, value))


def kept(path, value: float, keep: bool = True) -> float:
    return read_or_make(path, ["mean"], lambda: statistics(value), lambda: keep)["mean"][0]


def test_statistics_are_made_once(tmp_path):
    path = tmp_path / "new" / "file.npz"
    assert [kept(path, 1.0), kept(path, 2.0)] == [1.0, 1.0]
    assert [file.name for file in path.parent.iterdir()] == ["file.npz"]


def npz(**arrays) -> bytes:
    file = io.BytesIO()
    np.savez(file, **arrays)
    return file.getvalue()


BROKEN = [npz(), npz(**statistics(np.nan)), npz(**statistics(0))[:-9], npz(mean=np.array([object()]))]
BROKEN += [b"", b"no archive", pickle.dumps(statistics(0))]


@pytest.mark.parametrize("content", BROKEN)
def test_a_broken_file_is_made_anew(tmp_path, content):
    path = tmp_path / "file.npz"
    path.write_bytes(content)
    assert kept(path, 2.0) == 2.0 and kept(path, 3.0) == 2.0


def test_other_numbers_in_a_sound_file_are_noticed(tmp_path):
    path = tmp_path / "file.npz"
    assert kept(path, 1.0) == 1.0
    with np.load(path) as stored:
        arrays = dict(stored)
    np.savez(path, **arrays | statistics(7.0))
    assert kept(path, 2.0) == 2.0


def test_what_is_no_longer_true_is_not_kept(tmp_path):
    path = tmp_path / "file.npz"
    assert kept(path, 1.0, keep=False) == 1.0 and not path.exists()


def test_a_file_that_cannot_be_finished_leaves_what_was_there(tmp_path, monkeypatch):
    path = tmp_path / "file.npz"
    path.write_bytes(b"no archive")

    def full_disk(*args):
        raise OSError("no space")

    monkeypatch.setattr("os.replace", full_disk)
    with pytest.raises(OSError, match="no space"):
        kept(path, 2.0)
    monkeypatch.undo()
    assert path.read_bytes() == b"no archive" and [file.name for file in tmp_path.iterdir()] == ["file.npz"]
