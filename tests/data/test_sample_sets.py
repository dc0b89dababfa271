"""Samples of other programs: what is read, in which order, and what is refused in which words."""

import io
import pickle
import zipfile

import numpy as np
import pytest
import torch
from PIL import Image
from torch.utils.data import DataLoader

from projects.threedgp.data.images import BadImageError
from projects.threedgp.data.sample_arrays import ArrayFile
from projects.threedgp.data.sample_sets import open_samples
from projects.threedgp.data.squares import image_square

SIDE = 8


def picture(seed, side=SIDE):
    return np.random.default_rng(seed).integers(0, 256, (side, side, 3), dtype=np.uint8)


def write_depth(path, side=SIDE, level=1000):
    Image.fromarray(np.full((side, side), level, np.uint16)).save(path)


@pytest.fixture
def folder(tmp_path):
    """Six images in two folders, the third a little wrong for whoever wants that."""
    root = tmp_path / "samples"
    for i in range(6):
        (root / "ab"[i % 2]).mkdir(parents=True, exist_ok=True)
        Image.fromarray(picture(i)).save(root / "ab"[i % 2] / f"{i}.png")
    return root


def zipped(folder, compression=zipfile.ZIP_STORED):
    path = folder.with_suffix(".zip")
    with zipfile.ZipFile(path, "w", compression) as archive:
        for file in sorted(folder.rglob("*")):
            archive.write(file, file.relative_to(folder))
    return path


def as_npz(tmp_path, *arrays, save=np.savez, **named):
    path = tmp_path / "samples.npz"
    save(path, *arrays, **named)
    return path


def rgb_of(sample):
    """What a sample shows, RGB (h, w, 3)."""
    return sample["fake_img"].flip(0).permute(1, 2, 0).numpy()


# What is read


@pytest.mark.parametrize("compression", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_a_folder_and_its_archive_give_the_same_in_the_order_of_their_names(folder, compression):
    archive = zipped(folder, compression)
    for path, kind in ((folder, "folder"), (archive, "zip")):
        samples = open_samples(path)
        names = [samples[i]["name"] for i in range(len(samples))]
        assert names == ["a/0.png", "a/2.png", "a/4.png", "b/1.png", "b/3.png", "b/5.png"]
        for i, seed in enumerate((0, 2, 4, 1, 3, 5)):
            np.testing.assert_array_equal(rgb_of(samples[i]), picture(seed))
        assert (samples.facts.kind, samples.facts.count, samples.facts.side) == (kind, 6, SIDE)


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_an_array_gives_its_images_in_their_order(tmp_path, save):
    images = np.stack([picture(seed) for seed in range(130)])
    samples = open_samples(as_npz(tmp_path, images, np.arange(130) % 7, save=save))
    read = list(samples)
    assert len(read) == len(samples) == 130 and samples.facts.classes == 7
    np.testing.assert_array_equal(np.stack([rgb_of(sample) for sample in read]), images)
    assert read[3]["name"] == "image 3"
    assert open_samples(as_npz(tmp_path, images)).facts.classes is None


def test_some_are_spread_evenly(folder, tmp_path):
    assert open_samples(folder, count=3).names == ["a/0.png", "a/4.png", "b/3.png"]
    images = np.stack([picture(seed) for seed in range(10)])
    samples = open_samples(as_npz(tmp_path, images), count=4)
    assert [sample["name"] for sample in samples] == ["image 0", "image 2", "image 5", "image 7"]
    assert (samples.facts.count, samples.facts.available) == (4, 10)
    assert len(open_samples(folder, count=99)) == 6


def test_another_resolution_is_made_as_that_of_reals_is(folder, tmp_path):
    array = as_npz(tmp_path, np.stack([picture(0)]))
    for path in (folder, array):
        sample = next(iter(open_samples(path, side=5)))
        np.testing.assert_array_equal(rgb_of(sample), image_square(picture(0), 5))


def test_depth_lies_beside_the_images_and_keeps_its_16_bits(folder):
    for i in range(6):
        write_depth(folder / "ab"[i % 2] / f"{i}_depth.png", level=1000 * i + 1)
    for path in (folder, zipped(folder)):
        samples = open_samples(path)
        assert samples.facts.depth and len(samples) == 6
        torch.testing.assert_close(
            samples[3]["depth"], torch.full((1, SIDE, SIDE), 1001 / 32768 - 1), rtol=0, atol=1e-7
        )
        assert open_samples(path, side=4)[3]["depth"].shape == (1, 4, 4)
        assert "depth" not in open_samples(path, use_depth=False)[3]


def test_depth_in_colour_of_16_bits_in_an_archive(folder, tmp_path):
    import cv2

    stored = np.zeros((SIDE, SIDE, 3), np.uint16)
    stored[..., 2] = 12345  # OpenCV's red
    for i in range(6):
        cv2.imwrite(str(folder / "ab"[i % 2] / f"{i}_depth.png"), stored)
    expected = torch.full((1, SIDE, SIDE), 12345 / 32768 - 1)
    torch.testing.assert_close(open_samples(zipped(folder))[0]["depth"], expected)


def test_jpegs_are_counted_by_their_content(folder):
    Image.fromarray(picture(7)).save(folder / "a" / "7.png", format="JPEG")
    assert open_samples(folder).facts.compressed == 1


@pytest.mark.parametrize("workers", [0, 2])
def test_several_processes_read_an_archive(folder, workers):
    samples = open_samples(zipped(folder))
    samples[0]  # opened before the processes are made
    read = [
        sample for batch in DataLoader(samples, 2, num_workers=workers, collate_fn=list) for sample in batch
    ]
    assert len(read) == 6
    for sample, seed in zip(read, (0, 2, 4, 1, 3, 5), strict=True):
        np.testing.assert_array_equal(rgb_of(sample), picture(seed))
    np.testing.assert_array_equal(rgb_of(pickle.loads(pickle.dumps(samples))[1]), picture(2))


def test_an_array_is_read_piece_by_piece(tmp_path, monkeypatch):
    path = as_npz(tmp_path, np.stack([picture(seed) for seed in range(200)]), save=np.savez_compressed)
    sizes, read = [], zipfile.ZipExtFile.read
    monkeypatch.setattr(zipfile.ZipExtFile, "read", lambda self, n=-1: [sizes.append(n), read(self, n)][1])
    assert len(list(ArrayFile(path).images())) == 200
    assert max(sizes) == 64 * SIDE * SIDE * 3 and min(sizes) >= 0


# What is refused


def refusal(path, **options):
    with pytest.raises(ValueError) as caught:
        list(open_samples(path, **options))
    text = str(caught.value)
    assert "\n" not in text
    return text


def test_nothing_to_measure(tmp_path):
    (tmp_path / "notes.txt").touch()
    assert "found no image, wanted files that end in" in refusal(tmp_path)
    assert "1 of other types (1 .txt)" in refusal(tmp_path)
    with zipfile.ZipFile(tmp_path / "empty.zip", "w"):
        pass
    assert "empty.zip: found no image" in refusal(tmp_path / "empty.zip")


def replaced(folder, content):
    if isinstance(content, bytes):
        (folder / "a" / "2.png").write_bytes(content)
    else:
        Image.fromarray(content).save(folder / "a" / "2.png")


WHOLE = io.BytesIO()
Image.fromarray(picture(9, 64)).save(WHOLE, "PNG")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (picture(0)[..., 0], "a/2.png is grey, wanted colour"),
        (picture(0)[..., 0].astype(np.uint16), "a/2.png is grey, wanted colour"),
        (picture(0)[..., 0] > 99, "a/2.png is grey, wanted colour"),
        (picture(0, 16), "a/2.png is 16x16 pixels, most are 8x8"),
        (picture(0, 16)[:8], "a/2.png is 16x8 pixels, wanted a square"),
        (b"no image", "a/2.png is not readable"),
        (b"", "a/2.png is not readable"),
        (WHOLE.getvalue()[:-200], "a/2.png is not readable"),
    ],
)
def test_images_that_do_not_fit_are_named_before_any_is_measured(folder, content, words):
    replaced(folder, content)
    for path in (folder, zipped(folder)):
        text = refusal(path)
        assert "1 of 6 images cannot be measured" in text and words in text
    assert len(open_samples(folder, count=2)) == 2  # it is not among those


def test_many_that_do_not_fit_are_counted_and_some_named(folder):
    for i in range(5):
        Image.fromarray(picture(0)[..., 0]).save(folder / f"{i}.png")
    text = refusal(folder)
    assert "5 of 11 images cannot be measured: 0.png is grey" in text and text.endswith(", ...")
    assert "3.png" not in text


@pytest.mark.parametrize(
    ("depth", "words"),
    [
        (lambda path: write_depth(path, side=4), "a/0.png has a depth map of 4x4 pixels, wanted 8x8"),
        (lambda path: path.write_bytes(b"x"), "is not readable"),
        (lambda path: write_depth(path), "a/2.png has no depth map a/2_depth.png, which others have"),
    ],
)
def test_depth_maps_that_do_not_fit_are_named(folder, depth, words):
    depth(folder / "a" / "0_depth.png")
    assert words in refusal(folder)
    assert len(open_samples(folder, use_depth=False)) == 6


def test_pixels_that_break_while_they_are_read_name_their_file(folder):
    content = bytearray((folder / "a" / "2.png").read_bytes())
    content[60:80] = bytes(20)
    replaced(folder, bytes(content))
    with pytest.raises(BadImageError, match=r"sample a/2.png is not readable"):
        [open_samples(folder)[i] for i in range(6)]


ARRAYS = [
    (
        (picture(0)[None].astype(np.float32),),
        "arr_0 is float32 (1, 8, 8, 3), wanted arr_0, uint8 (n, r, r, 3)",
    ),
    ((picture(0)[None, ..., 0],), "holds grey images"),
    ((picture(0)[None, ..., :1],), "holds grey images"),
    ((picture(0)[None].transpose(0, 3, 1, 2),), "arr_0 is uint8 (1, 3, 8, 8)"),
    ((np.asfortranarray(np.stack([picture(0)] * 2)),), "in Fortran order"),
    ((picture(0)[None, :4],), "arr_0 is uint8 (1, 4, 8, 3)"),
    ((np.zeros((0, 8, 8, 3), np.uint8),), "holds no image"),
    ((picture(0)[None], np.arange(2)), "arr_1 is int64 (2,), wanted a whole number for each of 1 images"),
    ((picture(0)[None], np.array([0.5])), "arr_1 is float64"),
    ((picture(0)[None], np.array([None])), "arr_1: Object arrays cannot be loaded"),
]


@pytest.mark.parametrize(("arrays", "words"), ARRAYS, ids=[words for _, words in ARRAYS])
def test_arrays_of_another_kind_are_refused(tmp_path, arrays, words):
    text = refusal(as_npz(tmp_path, *arrays))
    assert "samples.npz: " in text and words in text


def test_an_array_under_another_name_is_not_guessed(tmp_path):
    assert "holds images, wanted arr_0" in refusal(as_npz(tmp_path, images=picture(0)[None]))


def test_files_that_are_cut_or_of_another_kind(tmp_path, folder):
    path = as_npz(tmp_path, np.stack([picture(seed) for seed in range(200)]))
    content = path.read_bytes()
    path.write_bytes(content[:-500])
    assert "samples.npz: is not readable" in refusal(path)
    archive = zipped(folder)
    archive.write_bytes(archive.read_bytes()[:-100])
    assert "wanted a folder, a whole .zip or a whole .npz file" in refusal(archive)
    other = tmp_path / "samples.tar"
    other.write_bytes(b"x" * 1000)
    assert "samples.tar: is not readable" in refusal(other)


def test_an_array_that_breaks_says_where(tmp_path):
    path = as_npz(tmp_path, np.stack([picture(seed) for seed in range(200)]))
    content = bytearray(path.read_bytes())
    content[-5000] ^= 255
    path.write_bytes(content)
    assert "arr_0 is not readable from image 192 of 200 on (Bad CRC-32" in refusal(path)
