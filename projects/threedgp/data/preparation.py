"""Turns a folder of photos into a training set: square PNGs in class folders, with depth maps."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from jaxtyping import UInt8, UInt16
from PIL import Image
from tqdm import tqdm

from ..errors import UserError
from ..whole_files import whole_folder
from ..wording import counted
from .images import DEPTH_LEVELS, EXTENSIONS, read_depth, read_image, shown
from .labels import read_label_file, storage_remark
from .listing import DEPTH_SUFFIX, Listing, evenly_spaced, list_files, shared_stems, stem_of
from .squares import depth_square, image_square

ONE_CLASS = "all"
DEPTH_INPUT_SIZE = 384
DEPTH_MAX = 65535
NAMED_CLASSES = 10
WITHOUT_DEPTH = "model.generator.depth_adaptor=None trains without depth (quickstart.sh sets it itself)"

# Depth maps (n, side, side) of RGB squares.
Estimate = Callable[[Sequence[np.ndarray], int], np.ndarray]


@dataclass(frozen=True)
class Preparation:
    """What to prepare, and how.

    Args:
        photos: Folder of images, nested or not.
        out: Folder to write; it appears when it is complete.
        resolution: Side in pixels.
        depth_model: Name of what estimates depth; None takes the depth maps that lie beside the photos.
        depth_nearer_larger: Depth maps, or the model's output, are larger for nearer points.
        max_images: Take that many, spread over the folder.
        single_class: Neither folders nor `dataset.json` give classes.
        batch_size: Of the depth model.
    """

    photos: Path
    out: Path
    resolution: int
    depth_model: str | None = None
    depth_nearer_larger: bool = False
    max_images: int | None = None
    single_class: bool = False
    batch_size: int = 8


@dataclass(frozen=True)
class Photo:
    """A photo and where it goes.

    Attributes:
        source: The photo.
        label: Its class.
        stem: Name of the output without suffix, unique within the class.
        depth: The depth map that lies beside it, if it is to be used.
    """

    source: Path
    label: str
    stem: str
    depth: Path | None


@dataclass(frozen=True)
class Square:
    """A photo cropped to its central square.

    Attributes:
        photo: Where it comes from.
        image: At the resolution of the training set.
        depth: Likewise, larger = farther, if a depth map lies beside the photo.
        depth_input: The square for the depth model, if there is one.
    """

    photo: Photo
    image: UInt8[np.ndarray, "s s 3"]
    depth: UInt16[np.ndarray, "s s"] | None
    depth_input: UInt8[np.ndarray, "t t 3"] | None


@dataclass
class Account:
    """What became of every image; the numbers add up to the images found."""

    classes: Counter[str] = field(default_factory=Counter)
    unreadable: list[str] = field(default_factory=list)
    without_class: int = 0
    not_drawn: int = 0
    depth_written: int = 0

    @property
    def written(self) -> int:
        """Images of the training set."""
        return self.classes.total()

    def images(self) -> dict[str, int]:
        """The number of images by what became of them."""
        return {
            "written": self.written,
            "unreadable": len(self.unreadable),
            "without_class": self.without_class,
            "not_drawn": self.not_drawn,
        }


def prepare(settings: Preparation, estimate: Estimate | None = None) -> dict[str, Any]:
    """Write a training set.

    Args:
        settings: What to prepare.
        estimate: Gives the depth of squares; None without a depth model.

    Returns:
        What ``meta.json`` holds: classes and settings, and an account of every file found.

    Raises:
        UserError: If there is no readable image.
        ValueError: If `dataset.json` is malformed.
    """
    files = list_files(settings.photos)
    print(f"{shown(settings.photos)}: {files.summary()}")
    if not files.images:
        raise UserError(f"photos is {shown(settings.photos)}: found no image, wanted {', '.join(EXTENSIONS)}")
    account = Account()
    photos = _choose(files, settings, account)
    with whole_folder(settings.out) as folder:
        _write(photos, folder, settings, estimate, account)
        if not account.written:
            images = counted(len(photos), "image")
            raise UserError(f"photos is {shown(settings.photos)}: none of {images} is readable")
        meta = _describe(files, settings, account)
        (folder / "meta.json").write_text(json.dumps(meta, indent=2) + "\n", encoding="utf-8")
    return meta


def report(meta: dict[str, Any], out: Path) -> str:
    """What was prepared, in lines for whoever runs it."""
    classes = [f"{shown(name)} {count}" for name, count in meta["classes"].items()]
    named = ", ".join([*classes[:NAMED_CLASSES], *(["..."] if len(classes) > NAMED_CLASSES else [])])
    images, depth = meta["images"], meta["depth_maps"]
    of = f"{counted(meta['num_images'], 'image')} of {counted(meta['num_classes'], 'class')}"
    lines = [f"{shown(out)}: {of} ({named})"]
    if images["unreadable"]:
        lines.append(f"left out as unreadable (named above): {counted(images['unreadable'], 'file')}")
    if images["not_drawn"]:
        lines.append(f"left out by --max-images: {counted(images['not_drawn'], 'image')}")
    if depth["unused"]:
        lines.append(f"not used of the depth maps beside the photos: {depth['unused']} of {depth['found']}")
    if meta["num_depth"] == 0:
        lines.append(f"no depth maps (no --depth-model, and none beside the photos): {WITHOUT_DEPTH}")
    elif not meta["has_depth"]:
        lines.append(
            f"depth maps: {meta['num_depth']} for {meta['num_images']} images: {WITHOUT_DEPTH}; "
            "train_dataloader.dataset.on_bad=skip leaves out images without one"
        )
    return "\n".join(lines)


def _describe(files: Listing, settings: Preparation, account: Account) -> dict[str, Any]:
    found = len(files.depth_maps)
    used = 0 if settings.depth_model else account.depth_written
    return {
        "num_classes": len(account.classes),
        "classes": dict(sorted(account.classes.items())),
        "num_images": account.written,
        "num_depth": account.depth_written,
        "has_depth": account.depth_written == account.written,
        "depth_model": settings.depth_model,
        "depth_nearer_larger": settings.depth_nearer_larger,
        "resolution": settings.resolution,
        "files": files.counts,
        "images": account.images(),
        "depth_maps": {"found": found, "used": used, "unused": found - used},
        "skipped": account.unreadable,
    }


def _choose(files: Listing, settings: Preparation, account: Account) -> list[Photo]:
    """The photos to prepare, with their classes and names that are unique in them."""
    class_of = _classes_of(files.images, settings)
    names = [name for name in files.images if class_of(name) is not None]
    account.without_class = len(files.images) - len(names)
    if account.without_class:
        example = next(name for name in files.images if class_of(name) is None)
        print(
            f"left out, as not in a class: {counted(account.without_class, 'image')}, e.g. {shown(example)} "
            "(--single-class takes them)"
        )
    drawn = evenly_spaced(names, settings.max_images)
    account.not_drawn = len(names) - len(drawn)
    depth_of = {} if settings.depth_model else _depth_maps_of(files)
    taken: set[tuple[str, str]] = set()
    return [
        _as_photo(settings.photos, name, class_of(name) or "", depth_of.get(name), taken) for name in drawn
    ]


def _classes_of(names: Sequence[str], settings: Preparation) -> Callable[[str], str | None]:
    """What gives an image its class, None if it has none."""
    label_file = None if settings.single_class else read_label_file(settings.photos)
    if label_file is not None:
        print(label_file.remark())
        if label_file.labels is not None:
            labels, classes = label_file.labels, label_file.classes()
            return lambda name: classes[labels[name]] if name in labels else None
    folders = sorted({PurePosixPath(name).parts[0] for name in names if "/" in name})
    if settings.single_class or label_file is not None or len(folders) < 2:
        return lambda name: ONE_CLASS
    if doubt := storage_remark(folders):
        print(f"{doubt} (--single-class)")
    return lambda name: PurePosixPath(name).parts[0] if "/" in name else None


def _depth_maps_of(files: Listing) -> dict[str, str]:
    """The depth map of each image that has one of its own."""
    shared, found = shared_stems(files.images), set(files.depth_maps)
    own = {name: stem_of(name) + DEPTH_SUFFIX for name in files.images if stem_of(name) not in shared}
    return {name: depth for name, depth in own.items() if depth in found}


def _as_photo(root: Path, name: str, label: str, depth: str | None, taken: set[tuple[str, str]]) -> Photo:
    parts = PurePosixPath(stem_of(name)).parts
    stem = "_".join(parts[1:] if len(parts) > 1 and parts[0] == label else parts)
    if f"{stem}.png".lower().endswith(DEPTH_SUFFIX):
        stem += "_image"  # "x_depth.jpg" must not become the depth map of "x.png"
    unique, copies = stem, 1
    # Compared in lower case, as some file systems do.
    while (label, unique.lower()) in taken:
        copies += 1
        unique = f"{stem}_{copies}"
    taken.add((label, unique.lower()))
    return Photo(root / name, label, unique, root / depth if depth else None)


def _write(
    photos: Sequence[Photo], out: Path, settings: Preparation, estimate: Estimate | None, account: Account
) -> None:
    """Write all images and depth maps under `out`."""
    size = settings.batch_size
    with (
        ThreadPoolExecutor(os.cpu_count()) as pool,
        tqdm(total=len(photos), desc="Preparing photos", unit="img") as progress,
    ):
        for batch in (photos[start : start + size] for start in range(0, len(photos), size)):
            squares = list(_load_squares(pool, batch, settings, account))
            if estimate is not None and squares:
                squares = _with_depth(squares, estimate, settings.resolution)
            for square in squares:
                _save(square, out / "train" / square.photo.label)
            account.classes.update(square.photo.label for square in squares)
            account.depth_written += sum(square.depth is not None for square in squares)
            progress.update(len(batch))


def _load_squares(
    pool: ThreadPoolExecutor, photos: Sequence[Photo], settings: Preparation, account: Account
) -> Iterator[Square]:
    """Squares of the readable photos; the names of the others are printed and noted."""
    futures = [pool.submit(_load_square, photo, settings) for photo in photos]
    for photo, future in zip(photos, futures, strict=True):
        try:
            yield future.result()
        except ValueError as error:
            tqdm.write(f"skipped {shown(photo.source)}: {shown(error)}")
            account.unreadable.append(str(photo.source))


def _load_square(photo: Photo, settings: Preparation) -> Square:
    image = read_image(photo.source)
    side = settings.resolution
    depth = None if photo.depth is None else _load_depth(photo.depth, image.shape[:2], settings)
    depth_input = image_square(image, max(side, DEPTH_INPUT_SIZE)) if settings.depth_model else None
    return Square(photo, image_square(image, side), depth, depth_input)


def _load_depth(path: Path, size: tuple[int, int], settings: Preparation) -> np.ndarray | None:
    """A depth map cropped and resized as its image (height, width); None, with a word, if that fails."""
    try:
        depth = read_depth(path)
        _check_proportions(depth.shape[:2], size)
    except ValueError as error:
        tqdm.write(f"left out {shown(path)}: {shown(error)}")
        return None
    fraction = (depth_square(depth, settings.resolution)[..., 0] + 1) / 2
    levels = np.clip(np.round(fraction * DEPTH_LEVELS), 0, DEPTH_MAX).astype(np.uint16)
    return DEPTH_MAX - levels if settings.depth_nearer_larger else levels


def _check_proportions(depth: tuple[int, int], image: tuple[int, int]) -> None:
    """Depth maps may be smaller than their images, as depth models make them, but not of another shape."""
    if abs(depth[0] * image[1] - depth[1] * image[0]) > max(image):
        sizes = "{1}x{0} pixels, its image {3}x{2}".format(*depth, *image)
        raise ValueError(f"is {sizes}; wanted equal proportions")


def _with_depth(squares: Sequence[Square], estimate: Estimate, side: int) -> list[Square]:
    depths = estimate([square.depth_input for square in squares if square.depth_input is not None], side)
    return [replace(square, depth=depth) for square, depth in zip(squares, depths, strict=True)]


def _save(square: Square, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    Image.fromarray(square.image).save(folder / f"{square.photo.stem}.png")
    if square.depth is not None:
        Image.fromarray(square.depth).save(folder / f"{square.photo.stem}{DEPTH_SUFFIX}")
