"""Turn a folder of photos into a training set: square PNGs in class folders, with depth maps.

python tools/data/prepare_photos.py ~/photos data/photos --resolution 256 \\
    --depth-model depth-anything/Depth-Anything-V2-Small-hf --depth-nearer-larger

Writes OUT/train/<class>/<name>.png, <name>_depth.png beside it if a depth model is given (16 bits,
larger = farther, each map stretched to the full range), and OUT/meta.json. The first folder level
is the class if at least two folders hold images; otherwise there is one class, "all".
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import cv2
import numpy as np
import torch
from PIL import Image, ImageOps
from tqdm import tqdm

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from projects.threedgp.data.image_files import DEPTH_SUFFIX, evenly_spaced, list_images

ONE_CLASS = "all"
DEPTH_INPUT_SIZE = 384
DEPTH_MAX = 65535


@dataclass(frozen=True)
class Photo:
    """A photo and where it goes.

    Attributes:
        source: The photo.
        label: Its class.
        stem: Name of the output without suffix, unique within the class.
    """

    source: Path
    label: str
    stem: str


@dataclass(frozen=True)
class Square:
    """A photo cropped to its central square, RGB.

    Attributes:
        photo: Where it comes from.
        image: At the resolution of the training set.
        depth_input: Larger, for the depth model.
    """

    photo: Photo
    image: Image.Image
    depth_input: Image.Image


class DepthEstimator:
    """A depth model of the transformers library.

    Args:
        name: Local folder or name on the hub.
        nearer_larger: The model's output is larger for nearer points (inverse depth).
        device: A torch device.
    """

    def __init__(self, name: str, nearer_larger: bool, device: str) -> None:
        try:
            from transformers import AutoImageProcessor, AutoModelForDepthEstimation
        except ImportError as error:
            raise SystemExit("--depth-model needs the package transformers") from error
        self.processor = AutoImageProcessor.from_pretrained(name)
        self.model = AutoModelForDepthEstimation.from_pretrained(name).to(device).eval()
        self.sign = -1.0 if nearer_larger else 1.0
        self.device = device

    @torch.inference_mode()
    def __call__(self, images: Sequence[Image.Image], resolution: int) -> np.ndarray:
        """Depth maps (n, resolution, resolution), uint16, larger = farther, 0 to 65535 each."""
        inputs = self.processor(images=list(images), return_tensors="pt").to(self.device)
        depth = self.sign * self.model(**inputs).predicted_depth.float()
        size = (resolution, resolution)
        depth = torch.nn.functional.interpolate(
            depth[:, None], size, mode="bicubic", antialias=True, align_corners=False
        )[:, 0]
        low, high = depth.amin((1, 2), keepdim=True), depth.amax((1, 2), keepdim=True)
        depth = (depth - low) / (high - low).clamp_min(torch.finfo(depth.dtype).tiny)
        return (depth * DEPTH_MAX).round().cpu().numpy().astype(np.uint16)


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("photos", type=Path, help="folder of images, nested or not")
    parser.add_argument("out", type=Path, help="folder to write, new or empty")
    parser.add_argument("--resolution", type=int, required=True, help="side in pixels")
    parser.add_argument("--depth-model", help="local folder or hub name; default no depth")
    parser.add_argument(
        "--depth-nearer-larger",
        action="store_true",
        help="the depth model is larger for nearer points (MiDaS, DPT, relative Depth-Anything)",
    )
    parser.add_argument("--max-images", type=int, help="take that many, spread over the folder")
    parser.add_argument("--single-class", action="store_true", help="folders are not classes")
    parser.add_argument("--overwrite", action="store_true", help="replace OUT if it is not empty")
    parser.add_argument("--batch-size", type=int, default=8, help="of the depth model")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    args = parser.parse_args(argv)
    check_folders(parser, args)
    for name in ("resolution", "batch_size", "max_images"):
        if getattr(args, name) is not None and getattr(args, name) < 1:
            parser.error(f"{name} is {getattr(args, name)}, wanted at least 1")
    return args


def check_folders(parser: argparse.ArgumentParser, args: argparse.Namespace) -> None:
    args.photos, args.out = (path.expanduser().resolve() for path in (args.photos, args.out))
    if not args.photos.is_dir():
        parser.error(f"photos is {args.photos}, wanted an existing folder")
    if args.photos.is_relative_to(args.out) or args.out.is_relative_to(args.photos):
        parser.error(f"out is {args.out}, wanted a folder apart from the photos in {args.photos}")
    if args.out.exists() and not args.out.is_dir():
        parser.error(f"out is {args.out}, wanted a folder, not a file")
    if args.out.is_dir() and any(args.out.iterdir()) and not args.overwrite:
        parser.error(f"out is {args.out}, which is not empty; wanted an empty one or --overwrite")


def main(argv: Sequence[str] | None = None) -> None:
    args = parse_args(argv)
    photos = find_photos(args.photos, args.max_images, args.single_class)
    estimate = None
    if args.depth_model:
        estimate = DepthEstimator(args.depth_model, args.depth_nearer_larger, args.device)
    temporary = args.out.with_name(f".{args.out.name}.{os.getpid()}.tmp")
    temporary.mkdir(parents=True)
    try:
        meta = write_set(photos, temporary, args, estimate)
        (temporary / "meta.json").write_text(json.dumps(meta, indent=2) + "\n", encoding="utf-8")
        move_into_place(temporary, args.out)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    report(meta, args.out)


def find_photos(root: Path, max_images: int | None, single_class: bool = False) -> list[Photo]:
    """All photos under `root` with their class and a name that is unique in it."""
    names = list_images(root)
    if not names:
        raise SystemExit(f"photos is {root}: found no image, wanted jpg, jpeg, png, webp or bmp")
    folders = {name.split("/")[0] for name in names if "/" in name}
    has_classes = len(folders) >= 2 and not single_class
    if has_classes:
        names = without_loose_images(names)
    taken: set[tuple[str, str]] = set()
    return [as_photo(root, name, has_classes, taken) for name in evenly_spaced(names, max_images)]


def without_loose_images(names: Sequence[str]) -> list[str]:
    loose = [name for name in names if "/" not in name]
    if loose:
        print(
            f"{len(loose)} images lie beside the class folders and are left out, e.g. {loose[0]} "
            "(--single-class takes them)"
        )
    return [name for name in names if "/" in name]


def as_photo(root: Path, name: str, has_classes: bool, taken: set[tuple[str, str]]) -> Photo:
    parts = PurePosixPath(name).with_suffix("").parts
    label, rest = (parts[0], parts[1:]) if has_classes else (ONE_CLASS, parts)
    stem = "_".join(rest)
    if f"{stem}.png".lower().endswith(DEPTH_SUFFIX):
        stem += "_image"  # "x_depth.jpg" must not become the depth map of "x.png"
    unique, copies = stem, 1
    # Compared in lower case, as some file systems do.
    while (label, unique.lower()) in taken:
        copies += 1
        unique = f"{stem}_{copies}"
    taken.add((label, unique.lower()))
    return Photo(root / name, label, unique)


def write_set(
    photos: Sequence[Photo], out: Path, args: argparse.Namespace, estimate: DepthEstimator | None
) -> dict:
    """Write all images and depth maps under `out`; returns what goes into meta.json."""
    counts: Counter[str] = Counter()
    skipped: list[str] = []
    batches = (photos[i : i + args.batch_size] for i in range(0, len(photos), args.batch_size))
    with (
        ThreadPoolExecutor(os.cpu_count()) as pool,
        tqdm(total=len(photos), desc="Preparing photos", unit="img") as progress,
    ):
        for batch in batches:
            squares = list(load_squares(pool, batch, args.resolution, skipped))
            for square in squares:
                save_image(square, out)
            if estimate is not None and squares:
                depths = estimate([square.depth_input for square in squares], args.resolution)
                for square, depth in zip(squares, depths, strict=True):
                    save_depth(square.photo, depth, out)
            counts.update(square.photo.label for square in squares)
            progress.update(len(batch))
    if not counts:
        raise SystemExit(f"photos is {args.photos}: none of {len(photos)} images is readable")
    return describe(counts, skipped, args)


def describe(counts: Counter[str], skipped: list[str], args: argparse.Namespace) -> dict:
    return {
        "num_classes": len(counts),
        "classes": dict(sorted(counts.items())),
        "num_images": sum(counts.values()),
        "has_depth": args.depth_model is not None,
        "depth_model": args.depth_model,
        "depth_nearer_larger": args.depth_nearer_larger,
        "resolution": args.resolution,
        "skipped": skipped,
    }


def load_squares(
    pool: ThreadPoolExecutor, photos: Sequence[Photo], resolution: int, skipped: list[str]
) -> Iterator[Square]:
    """Squares of the readable photos; the names of the others are printed and noted."""
    futures = [pool.submit(load_square, photo, resolution) for photo in photos]
    for photo, future in zip(photos, futures, strict=True):
        try:
            yield future.result()
        except Exception as error:  # PIL raises OSError, SyntaxError, ValueError and more
            tqdm.write(f"skipped {photo.source}: {error}")
            skipped.append(str(photo.source))


def load_square(photo: Photo, resolution: int) -> Square:
    with Image.open(photo.source) as image:
        upright = on_white(ImageOps.exif_transpose(image))
    side = min(upright.size)
    left, top = (upright.width - side) // 2, (upright.height - side) // 2
    box = (left, top, left + side, top + side)
    depth_side = max(resolution, DEPTH_INPUT_SIZE)
    small, large = (
        upright.resize((size, size), Image.Resampling.LANCZOS, box=box) for size in (resolution, depth_side)
    )
    return Square(photo, small, large)


def on_white(image: Image.Image) -> Image.Image:
    """The image in RGB; what is transparent becomes white."""
    if not image.has_transparency_data:
        return image.convert("RGB")
    image = image.convert("RGBA")
    white = Image.new("RGBA", image.size, "white")
    return Image.alpha_composite(white, image).convert("RGB")


def save_image(square: Square, out: Path) -> None:
    path = out / "train" / square.photo.label / f"{square.photo.stem}.png"
    path.parent.mkdir(parents=True, exist_ok=True)
    square.image.save(path)


def save_depth(photo: Photo, depth: np.ndarray, out: Path) -> None:
    path = out / "train" / photo.label / f"{photo.stem}{DEPTH_SUFFIX}"
    if not cv2.imwrite(str(path), depth):
        raise OSError(f"{path} could not be written")


def move_into_place(temporary: Path, out: Path) -> None:
    """Give the finished folder its name; an older one goes only when the new one is there."""
    old = temporary.with_suffix(".old")
    if out.exists():
        out.rename(old)
    temporary.rename(out)
    shutil.rmtree(old, ignore_errors=True)


def report(meta: dict, out: Path) -> None:
    print(f"{out}: {meta['num_images']} images of {meta['num_classes']} classes")
    if meta["skipped"]:
        print(f"{len(meta['skipped'])} files were not readable and are left out (named above)")
    if not meta["has_depth"]:
        print("No depth maps (no --depth-model): train with use_depth=False")


if __name__ == "__main__":
    main()
