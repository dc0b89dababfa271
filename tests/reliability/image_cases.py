"""Mutated images, depth maps and sets of samples."""

import io
import json
import struct
import zipfile
import zlib
from collections.abc import Callable
from functools import cache
from pathlib import Path
from random import Random

import numpy as np
from PIL import Image

from projects.threedgp.data.images import PNG_SIGNATURE
from tests import tiny_runs
from tests.reliability import small_run
from tests.reliability.byte_faults import fault
from tests.reliability.doors import Case, Outcome, Said, enter
from tests.stand_ins import save_inception_stand_in
from tools import evaluate_folder, train
from tools.data import prepare_photos

SIDE = 24
FORMATS = {"png": {}, "jpg": dict(quality=95), "webp": dict(quality=90)}
NO_CHECK_SUMS = ("jpg", "webp")


def picture(seed: int, side: int = SIDE) -> Image.Image:
    """Noise of a few colours, so that few bytes of its file mean nothing."""
    return Image.fromarray(np.random.default_rng(seed).integers(0, 256, (side, side, 3), dtype=np.uint8))


def encoded(image: Image.Image, suffix: str, **options) -> bytes:
    """A picture as a file."""
    file = io.BytesIO()
    image.save(file, {"jpg": "JPEG"}.get(suffix, suffix), **options)
    return file.getvalue()


def depth_bytes(side: int = SIDE) -> bytes:
    """A depth map of 16 bits."""
    return encoded(Image.fromarray(np.arange(side * side, dtype=np.uint16).reshape(side, side) * 100), "png")


def chunk(kind: bytes, content: bytes) -> bytes:
    """A chunk of a PNG with its check sum."""
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def png(width: int, height: int, depth: int = 8, colour: int = 2, *more: bytes, rows: bytes = b"") -> bytes:
    """A PNG whose header says what it likes."""
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0))
    body = chunk(b"IDAT", zlib.compress(rows))
    return PNG_SIGNATURE + header + b"".join(more) + body + chunk(b"IEND", b"")


def made_up() -> dict[str, tuple[str, Callable[[], bytes]]]:
    """Images that were made to fail, by name: their suffix and content."""
    gif = b"GIF89a" + struct.pack("<HH", 65535, 65535) + b"\0\0\0;"
    return {
        "a header of 100 000 pixels": ("png", lambda: png(100_000, 100_000)),
        "a header of 2^31 - 1 pixels": ("png", lambda: png(2**31 - 1, 2**31 - 1)),
        "a header without pixels": ("png", lambda: png(0, 24)),
        "fewer rows than the header says": ("png", lambda: png(SIDE, SIDE, rows=bytes(100))),
        "an unknown colour type": ("png", lambda: png(SIDE, SIDE, 8, 5, rows=bytes(2000))),
        "17 bits": ("png", lambda: png(SIDE, SIDE, 17, 2, rows=bytes(9000))),
        "a comment of 200 MB": (
            "png",
            lambda: png(SIDE, SIDE, 8, 2, _bomb(), rows=bytes((3 * SIDE + 1) * SIDE)),
        ),
        "an animation of 65 535 pixels": ("gif", lambda: gif),
        "text": ("jpg", lambda: b"no image, only words\n" * 20),
        "a page": ("webp", lambda: b"<!DOCTYPE html><html><body>404</body></html>"),
        "a program": ("png", lambda: b"#!/bin/sh\necho\n"),
        "PostScript": ("png", lambda: b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\nshowpage\n"),
        "SVG": ("png", lambda: b'<svg xmlns="http://www.w3.org/2000/svg"/>'),
        "floats without a range": ("tif", lambda: _floats(np.linspace(-5, 1e9, 576))),
        "floats that are none": ("tif", lambda: _floats(np.full(576, np.nan))),
    }


def _bomb() -> bytes:
    return chunk(b"zTXt", b"Comment\0\0" + zlib.compress(bytes(200_000_000)))


def _floats(values: np.ndarray) -> bytes:
    return encoded(Image.fromarray(values.astype(np.float32).reshape(SIDE, SIDE)), "tiff")


def photo(bench: Path, folder: Path, number: int, rng: Random) -> Case:
    """A photo among others, prepared."""
    specials = made_up()
    if number < len(specials):
        name, (suffix, content) = list(specials.items())[number]
        changed = content()
        wanted = None
    else:
        suffix = list(FORMATS)[number % 3]
        original = encoded(picture(number), suffix, **FORMATS[suffix])
        wanted = np.asarray(Image.open(io.BytesIO(original)).convert("RGB"))
        name, changed = fault(original, number // 3, rng)
        if rng.random() < 0.1:
            suffix, name = "bmp", f"{name}, under another extension"
    photos = folder / "photos"
    photos.mkdir()
    for i in range(2):
        picture(i).save(photos / f"whole{i}.png")
    (photos / f"mutated.{suffix}").write_bytes(changed)
    argv = [photos, folder / "out", "--resolution", SIDE]

    def judge(said: Said) -> Outcome:
        if f"mutated.{suffix}" in said.text:
            return Outcome.REFUSED
        got = folder / "out" / "train" / "all" / "mutated.png"
        if wanted is not None and got.is_file() and np.array_equal(np.asarray(Image.open(got)), wanted):
            return Outcome.HARMLESS
        return Outcome.UNKNOWABLE if suffix in (*NO_CHECK_SUMS, "bmp") else Outcome.WRONG

    return Case(f"{suffix}: {name}", prepare_photos, argv, ("mutated",), judge)


def depth_map(bench: Path, folder: Path, number: int, rng: Random) -> Case:
    """A depth map beside a photo, prepared: left out with a word, or right."""
    name, changed = fault(depth_bytes(), number, rng)
    photos = folder / "photos"
    photos.mkdir()
    picture(0).save(photos / "mutated.png")
    target, wanted = photos / "mutated_depth.png", folder / "wanted"
    outputs = []
    for content, out in ((depth_bytes(), wanted), (changed, folder / "out")):
        target.write_bytes(content)
        if out == wanted:
            enter(prepare_photos, [photos, out, "--resolution", SIDE])
        outputs.append(out / "train" / "all" / "mutated_depth.png")

    def judge(said: Said) -> Outcome:
        if "mutated_depth.png" in said.text:
            return Outcome.REFUSED
        return Outcome.HARMLESS if outputs[0].read_bytes() == outputs[1].read_bytes() else Outcome.WRONG

    return Case(name, prepare_photos, [photos, folder / "out", "--resolution", SIDE], ("mutated",), judge)


@cache
def undisturbed(bench: Path) -> dict:
    """Weights of the training that the mutated ones are compared with."""
    data = tiny_runs.write_images(bench / "undisturbed", 8)
    config = small_run.write_config(bench / "undisturbed.py", small_run.training_settings(Path(data)))
    enter(train, [config, "--work-dir", bench / "undisturbed_run"])
    return small_run.weights_of(bench / "undisturbed_run" / "iter_2.pth")


def trained(bench: Path, folder: Path, number: int, rng: Random) -> Case:
    """An image or a depth map of eight, trained on."""
    wanted = undisturbed(bench)
    root = Path(tiny_runs.write_images(folder / "data", 8))
    name = "002.png" if number % 2 else "002_depth.png"
    path = root / "class2" / name
    what, changed = fault(path.read_bytes(), number // 2, rng)
    path.write_bytes(changed)
    config = small_run.write_config(folder / "small.py", small_run.training_settings(root))

    def judge(said: Said) -> Outcome:
        if name in said.text:
            return Outcome.REFUSED  # replaced, with a warning
        same = small_run.equal_weights(folder / "run" / "iter_2.pth", wanted)
        return Outcome.HARMLESS if same else Outcome.WRONG

    argv = [config, "--work-dir", folder / "run"]
    return Case(f"{name}: {what}", train, argv, ("002",), judge, folder / "run")


@cache
def measuring(bench: Path) -> list[object]:
    """Arguments of a measurement."""
    reals, network = bench / "reals", save_inception_stand_in(bench)
    reals.mkdir()
    for i in range(6):
        picture(100 + i).save(reals / f"{i}.png")
    fixed = ["--data-root", reals, "--inception-path", network, "--workers", 0, "--splits", 1]
    return [*fixed, "--metrics", "fid", "is", "nfs", "--depth-levels", 0, 65535]


def write_samples(folder: Path, kind: int) -> Path:
    """Samples as a folder, an archive or arrays."""
    if kind == 2:
        images = np.stack([np.asarray(picture(i)) for i in range(4)])
        np.savez(folder / "samples.npz", images, np.arange(4))
        return folder / "samples.npz"
    samples = folder / "samples"
    samples.mkdir()
    for i in range(4):
        picture(i).save(samples / f"{i}.png")
        (samples / f"{i}_depth.png").write_bytes(depth_bytes())
    if kind == 0:
        return samples
    with zipfile.ZipFile(folder / "samples.zip", "w") as archive:
        for path in sorted(samples.iterdir()):
            archive.write(path, path.name)
    return folder / "samples.zip"


@cache
def measured(bench: Path, kind: int) -> dict[str, float]:
    """The metrics of whole samples."""
    folder = bench / f"samples{kind}"
    folder.mkdir()
    enter(evaluate_folder, [write_samples(folder, kind), *measuring(bench), "--out", folder / "out"])
    return json.loads((folder / "out" / "metrics.json").read_text())["metrics"]


def samples(bench: Path, folder: Path, number: int, rng: Random) -> Case:
    """Samples of another program, measured."""
    kind = number % 3
    source, wanted = write_samples(folder, kind), measured(bench, kind)
    target = source / rng.choice(("2.png", "2_depth.png")) if kind == 0 else source
    name, changed = fault(target.read_bytes(), number // 3, rng)
    target.write_bytes(changed)

    def judge(said: Said) -> Outcome:
        got = json.loads((folder / "out" / "metrics.json").read_text())["metrics"]
        return Outcome.HARMLESS if got == wanted else Outcome.WRONG

    named = (target.name, source.name)
    argv = [source, *measuring(bench), "--out", folder / "out"]
    return Case(f"{target.name}: {name}", evaluate_folder, argv, named, judge)
