"""Every image comes in by one set of rules, whatever its format, and whatever its name."""

import os
import struct
import zlib
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image, ImageCms

from projects.threedgp.data.images import (
    PNG_SIGNATURE,
    TURNS,
    BadImageError,
    read_depth,
    read_depth_levels,
    read_image,
    shown,
)


def quarters() -> np.ndarray:
    """Four colours, so that every turn and mirror image looks different."""
    pixels = np.zeros((16, 32, 3), np.uint8)
    pixels[:8, :16], pixels[8:, :16] = (200, 30, 30), (30, 200, 30)
    pixels[:8, 16:], pixels[8:, 16:] = (30, 30, 200), (200, 200, 30)
    return pixels


def saved(path: Path, image: Image.Image | np.ndarray, **save) -> Path:
    (image if isinstance(image, Image.Image) else Image.fromarray(image)).save(path, **save)
    return path


def png(path: Path, header: tuple[int, ...], rows: bytes, *chunks: tuple[bytes, bytes]) -> Path:
    """A PNG as it cannot be written by Pillow; header: width, height, bits, colour type."""
    parts = [
        (b"IHDR", struct.pack(">IIBB3x", *header)),
        *chunks,
        (b"IDAT", zlib.compress(rows)),
        (b"IEND", b""),
    ]
    data = PNG_SIGNATURE
    for kind, content in parts:
        data += (
            struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
        )
    path.write_bytes(data)
    return path


# Colours


@pytest.mark.parametrize("name", ["x.png", "x.tif", "x.pgm"])
def test_grey_of_16_bits_keeps_its_high_byte(tmp_path, name):
    levels = np.array([[0, 128 * 257, 65535]], np.uint16)
    cv2.imwrite(str(tmp_path / name), levels)
    assert read_image(tmp_path / name).tolist() == [[[0] * 3, [128] * 3, [255] * 3]]


@pytest.mark.parametrize("name", ["x.png", "x.tif", "x.ppm"])
def test_colour_of_16_bits_keeps_its_high_byte(tmp_path, name):
    cv2.imwrite(str(tmp_path / name), np.array([[[0, 65535, 128 * 257]]], np.uint16))  # BGR
    assert read_image(tmp_path / name).tolist() == [[[128, 255, 0]]]


def test_floating_point_grey_runs_from_0_to_1(tmp_path):
    path = saved(tmp_path / "x.tif", np.array([[0, 0.5, 1]], np.float32))
    assert read_image(path)[0, :, 0].tolist() == [0, 128, 255]


@pytest.mark.parametrize("top", [1.5, np.nan])
def test_floating_point_grey_of_another_range_is_refused(tmp_path, top):
    path = saved(tmp_path / "x.tif", np.array([[0, top]], np.float32))
    with pytest.raises(BadImageError, match="wanted 0 to 1"):
        read_image(path)


def test_integers_of_32_bits_must_fit_into_16(tmp_path):
    fits = saved(tmp_path / "x.tif", np.array([[0, 128 * 257]], np.int32))
    assert read_image(fits)[0, :, 0].tolist() == [0, 128]
    with pytest.raises(BadImageError, match="wanted 0 to 65535"):
        read_image(saved(tmp_path / "y.tif", np.array([[0, 70000]], np.int32)))


@pytest.mark.parametrize(
    ("mode", "colour", "wanted"),
    [
        ("1", 1, [255, 255, 255]),
        ("L", 128, [128, 128, 128]),
        ("LA", (10, 0), [255, 255, 255]),
        ("LA", (10, 255), [10, 10, 10]),
        ("RGBA", (200, 0, 0, 0), [255, 255, 255]),
        ("RGBA", (200, 100, 0, 51), [244, 224, 204]),  # 255 + 0.2 (value - 255)
    ],
)
def test_every_mode_becomes_colour_on_white(tmp_path, mode, colour, wanted):
    assert read_image(saved(tmp_path / "x.png", Image.new(mode, (4, 3), colour)))[0, 0].tolist() == wanted


@pytest.mark.parametrize("end", ["png", "gif"])
def test_a_palette_and_its_transparent_entry(tmp_path, end):
    image = Image.fromarray(np.array([[0, 1]], np.uint8), "P")
    image.putpalette([200, 0, 0, 0, 0, 200])
    path = saved(tmp_path / f"x.{end}", image, transparency=1)
    assert read_image(path).tolist() == [[[200, 0, 0], [255, 255, 255]]]


def test_the_transparent_grey_of_a_png_of_16_bits_is_white(tmp_path):
    rows = b"\0" + struct.pack(">3H", 0, 128 * 257, 65535)
    path = png(tmp_path / "x.png", (3, 1, 16, 0), rows, (b"tRNS", struct.pack(">H", 0)))
    assert read_image(path)[0, :, 0].tolist() == [255, 128, 255]


def test_cmyk(tmp_path):
    path = saved(tmp_path / "x.jpg", Image.new("CMYK", (8, 8), (0, 255, 255, 0)), quality=100)
    np.testing.assert_allclose(read_image(path)[0, 0], [255, 0, 0], atol=3)


# Profiles


def srgb_profile() -> bytes:
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def swapped_profile() -> bytes:
    """A profile whose first channel is blue and third red."""
    return srgb_profile().replace(b"rXYZ", b"tmp_").replace(b"bXYZ", b"rXYZ").replace(b"tmp_", b"bXYZ")


@pytest.mark.parametrize("mode", ["RGB", "RGBA"])
def test_the_colours_of_a_profile_are_converted(tmp_path, mode):
    image = Image.new("RGB", (2, 2), (255, 0, 0)).convert(mode)
    path = saved(tmp_path / "x.png", image, icc_profile=swapped_profile())
    np.testing.assert_allclose(read_image(path)[0, 0], [0, 0, 255], atol=2)


@pytest.mark.parametrize("profile", [srgb_profile(), b"broken"], ids=["sRGB", "broken"])
def test_srgb_and_a_broken_profile_change_nothing(tmp_path, profile):
    path = saved(tmp_path / "x.png", quarters(), icc_profile=profile)
    np.testing.assert_array_equal(read_image(path), quarters())


def test_a_profile_for_another_kind_of_image_is_ignored(tmp_path):
    path = saved(tmp_path / "x.png", Image.new("L", (2, 2), 100), icc_profile=swapped_profile())
    assert read_image(path)[0, 0].tolist() == [100, 100, 100]


# Orientation, pages, damage


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("end", ["jpg", "png", "webp", "tif", "avif"])
def test_every_format_obeys_its_orientation(tmp_path, end, orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    read = read_image(saved(tmp_path / f"x.{end}", quarters(), exif=exif, quality=100))
    upright = Image.fromarray(quarters())
    if orientation > 1:
        upright = upright.transpose(TURNS[orientation])
    assert np.abs(read.astype(int) - np.asarray(upright)).mean() < 8


def test_metadata_that_cannot_be_read_leave_an_image_as_it_is(tmp_path):
    path = saved(tmp_path / "x.png", quarters(), exif=b"Exif\0\0II*\0\xff\xff")
    np.testing.assert_array_equal(read_image(path), quarters())


@pytest.mark.parametrize("end", ["gif", "webp", "png", "tif"])
def test_the_first_of_many_pictures_counts(tmp_path, end):
    frames = [Image.new("RGB", (8, 8), colour) for colour in ("red", "blue")]
    path = saved(tmp_path / f"x.{end}", frames[0], save_all=True, append_images=frames[1:])
    assert read_image(path)[0, 0].argmax() == 0


@pytest.mark.parametrize("end", ["jpg", "png", "webp", "bmp", "tif", "gif", "avif", "jp2", "ppm"])
def test_a_cut_file_is_refused(tmp_path, end):
    noise = np.random.default_rng(0).integers(0, 255, (64, 64, 3), dtype=np.uint8)
    path = saved(tmp_path / f"x.{end}", noise)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(BadImageError, match="is not readable"):
        read_image(path)


@pytest.mark.parametrize("reader", [read_image, read_depth])
def test_a_png_of_which_a_bit_was_lost_is_refused(tmp_path, reader):
    """The stream is stored, not packed, so that only the check sum of the chunk tells."""
    path = saved(tmp_path / "x.png", np.full((8, 8), 7, np.uint8), compress_level=0)
    content = bytearray(path.read_bytes())
    content[content.index(b"IDAT") + 20] ^= 1
    path.write_bytes(content)
    with pytest.raises(ValueError, match="is not readable"):
        reader(path)


def test_formats_that_run_other_programs_are_no_images(tmp_path):
    path = saved(tmp_path / "x.eps", Image.new("RGB", (4, 4)))
    with pytest.raises(BadImageError, match="is not readable"):
        read_image(path.rename(tmp_path / "x.png"))


def test_a_name_may_hold_any_bytes(tmp_path):
    name = os.fsdecode(b"caf\xe9\n.png")
    np.testing.assert_array_equal(read_image(saved(tmp_path / name, quarters())), quarters())
    assert shown(name) == r"caf\udce9\n.png"


# Values of depth maps


def test_depth_is_a_fraction_of_65536_in_minus_one_to_one(tmp_path):
    cv2.imwrite(str(tmp_path / "d.png"), np.array([[0, 32768, 65535]], np.uint16))
    depth = read_depth(tmp_path / "d.png")
    assert depth.shape == (1, 3, 1) and depth.dtype == np.float32
    np.testing.assert_allclose(depth.ravel(), [-1, 0, 1 - 2 / 65536], atol=1e-7)


def test_eight_bit_values_count_256_times(tmp_path):
    values = np.array([[0, 1, 128, 255]])
    cv2.imwrite(str(tmp_path / "8.png"), values.astype(np.uint8))
    cv2.imwrite(str(tmp_path / "16.png"), (values * 256).astype(np.uint16))
    np.testing.assert_array_equal(read_depth(tmp_path / "8.png"), read_depth(tmp_path / "16.png"))


@pytest.mark.parametrize("mode", ["L", "LA", "RGB", "RGBA", "P"])
def test_the_first_channel_of_the_file_counts(tmp_path, mode):
    grey = Image.fromarray(np.array([[7, 200]], np.uint8))
    image = grey.convert(mode)
    if mode in ("RGB", "RGBA"):
        others = [Image.new("L", grey.size, 99) for _ in mode[1:]]
        image = Image.merge(mode, [grey, *others])
    image.save(tmp_path / "d.png")
    expected = np.array([7, 200]) * 256 / 65536 * 2 - 1
    np.testing.assert_allclose(read_depth(tmp_path / "d.png").ravel(), expected, atol=1e-7)


def test_unreadable_or_float_depth_is_an_error(tmp_path):
    with pytest.raises(ValueError, match=r"depth map .*none.png does not exist"):
        read_depth(tmp_path / "none.png")
    cv2.imwrite(str(tmp_path / "float.tiff"), np.zeros((2, 2), np.float32))
    with pytest.raises(ValueError, match="float32, wanted uint8 or uint16"):
        read_depth(tmp_path / "float.tiff")


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_depth_in_colour_keeps_its_16_bits(tmp_path, channels):
    colour_type = {1: 0, 2: 4, 3: 2, 4: 6}[channels]
    rows = b"\0" + struct.pack(f">{channels}H", 1001, *[65535] * (channels - 1))
    path = png(tmp_path / "d.png", (1, 1, 16, colour_type), rows)
    assert read_depth_levels(path).tolist() == [[1001]]


def test_depth_does_not_turn(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    levels = np.array([[1, 2, 3]], np.uint16)
    np.testing.assert_array_equal(read_depth_levels(saved(tmp_path / "d.png", levels, exif=exif)), levels)


def test_a_cut_depth_map_is_refused(tmp_path):
    path = saved(tmp_path / "d.png", np.random.default_rng(0).integers(0, 65535, (64, 64)).astype(np.uint16))
    path.write_bytes(path.read_bytes()[:4000])
    with pytest.raises(ValueError, match=r"depth map .*d.png is not readable"):
        read_depth(path)
