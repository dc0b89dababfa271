"""Writes a toy data set to a folder, all of it or nothing."""

import json
import multiprocessing
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from ..whole_files import whole_folder
from .corruption import corrupt_depth, decode_depth, encode_depth
from .preview import contact_sheet
from .render import render_scene
from .scenes import CLASSES, class_of
from .settings import ToySettings

GENERATOR = "make_toy_scenes"
DEPTH_KINDS = ("corrupted", "exact")
# Those of the plugin, which is not imported: every process would load the toolkit for them.
CAMERA_COLUMNS = (
    "yaw",
    "pitch",
    "roll",
    "fov_deg",
    "radius",
    "look_at_yaw",
    "look_at_pitch",
    "look_at_radius",
)


@dataclass(frozen=True)
class ToyDataset:
    """What to write.

    Args:
        num: Number of images.
        resolution: Image side in pixels.
        seed: Seed of everything; image i does not depend on ``num``.
        depth: What lies beside the images, ``corrupted`` or ``exact``.
        settings: Cameras, depth range and corruption.
    """

    num: int
    resolution: int
    seed: int = 0
    depth: str = "corrupted"
    settings: ToySettings = field(default_factory=ToySettings)

    def __post_init__(self) -> None:
        for name, least in (("num", 1), ("resolution", 8), ("seed", 0)):
            if getattr(self, name) < least:
                raise ValueError(f"{name}: got {getattr(self, name)}, wanted at least {least}")
        if self.depth not in DEPTH_KINDS:
            raise ValueError(f"depth: got {self.depth!r}, wanted one of {DEPTH_KINDS}")

    def image_path(self, index: int) -> str:
        """Return the path of an image relative to the folder ``train``."""
        return f"{class_of(index)}/{index:06d}.png"

    def meta(self) -> dict[str, object]:
        """Return the content of ``meta.json``."""
        return {
            "generator": GENERATOR,
            "num": self.num,
            "resolution": self.resolution,
            "seed": self.seed,
            "depth": self.depth,
            **self.settings.as_dict(),
            "depth_encoding": "round((t - near) / (far - near) * 65535), t along the unit ray",
            "camera_columns": CAMERA_COLUMNS,
            "classes": CLASSES,
        }


def write_dataset(out: Path, dataset: ToyDataset, workers: int = 1, overwrite: bool = False) -> None:
    """Render a data set into a folder that appears only when it is complete.

    Args:
        out: The folder to create.
        dataset: What to write.
        workers: Number of processes; the files do not depend on it.
        overwrite: Replace a data set that an earlier call wrote to ``out``.

    Raises:
        FileExistsError: If ``out`` holds anything that may not be replaced.
    """
    out = out.resolve()
    _check_target(out, overwrite)
    with whole_folder(out) as folder:
        paths = [dataset.image_path(index) for index in range(dataset.num)]
        for name in sorted({Path(path).parent for path in paths}):
            (folder / "train" / name).mkdir(parents=True)
            (folder / "exact_depth" / name).mkdir(parents=True)
        np.save(folder / "cameras.npy", _write_images(folder, dataset, workers))
        (folder / "cameras.txt").write_text("".join(f"{path}\n" for path in paths))
        (folder / "meta.json").write_text(json.dumps(dataset.meta(), indent=2) + "\n")
        _write_png(folder / "preview.png", contact_sheet(folder, paths))


def write_inexact_depth(data: Path, out: Path, inexactness: float) -> None:
    """Write other depth maps for the images of a data set, into a folder that appears when it is complete.

    Args:
        data: A folder of ``write_dataset``.
        out: The folder to create; it gets the sub-folders of ``data/train``.
        inexactness: As in ``ToySettings``; all else, random draws included, is as in the data set.

    Raises:
        FileNotFoundError: If ``data`` is no such folder, or not whole.
        FileExistsError: If something is in ``out``.
        ValueError: If the inexactness is not possible.
    """
    out = out.resolve()
    _check_target(out, overwrite=False)
    meta = json.loads((data / "meta.json").read_text())
    settings = replace(ToySettings.from_dict(meta), inexactness=inexactness)
    with whole_folder(out) as folder:
        for index, name in enumerate(tqdm((data / "cameras.txt").read_text().split(), "inexact depth")):
            path = folder / name.replace(".png", "_depth.png")
            path.parent.mkdir(exist_ok=True)
            exact = decode_depth(_read_depth(data / "exact_depth" / path.relative_to(folder)), settings)
            _write_png(path, corrupt_depth(exact, meta["seed"], index, settings))


def _read_depth(path: Path) -> NDArray[np.uint16]:
    # Not at the top: the processes that render would load the toolkit for it.
    from ..data.images import read_depth_levels

    if not path.is_file():
        raise FileNotFoundError(f"{path}: got no image, wanted an exact depth map of the data set")
    return read_depth_levels(path)


def _write_images(folder: Path, dataset: ToyDataset, workers: int) -> NDArray[np.float32]:
    """Write all images and return their cameras (num, 8)."""
    task = partial(_write_image, folder, dataset)
    indices = range(dataset.num)
    progress = partial(tqdm, total=dataset.num, unit="image", desc="toy scenes")
    if workers <= 1:
        return np.stack(list(progress(map(task, indices))))
    with multiprocessing.get_context("spawn").Pool(workers, cv2.setNumThreads, (1,)) as pool:
        return np.stack(list(progress(pool.imap(task, indices, chunksize=16))))


def _write_image(folder: Path, dataset: ToyDataset, index: int) -> NDArray[np.float32]:
    """Write one image with its two depth maps and return its camera (8,)."""
    settings = dataset.settings
    image = render_scene(dataset.seed, index, dataset.resolution, settings=settings)
    exact = beside = encode_depth(image.depth, settings)
    if dataset.depth == "corrupted":
        beside = corrupt_depth(image.depth, dataset.seed, index, settings)
    name = dataset.image_path(index)
    depth_name = name.replace(".png", "_depth.png")
    _write_png(folder / "train" / name, image.rgb[..., ::-1])
    _write_png(folder / "train" / depth_name, beside)
    _write_png(folder / "exact_depth" / depth_name, exact)
    return image.camera


def _write_png(path: Path, image: NDArray) -> None:
    if not cv2.imwrite(str(path), image):
        raise OSError(f"{path}: could not write the image")


def _check_target(out: Path, overwrite: bool) -> None:
    if not out.exists() or (out.is_dir() and not any(out.iterdir())):
        return
    if not overwrite:
        raise FileExistsError(f"{out}: got a non-empty target, wanted a new folder (or to overwrite it)")
    try:
        is_ours = json.loads((out / "meta.json").read_text())["generator"] == GENERATOR
    except (OSError, ValueError, TypeError, LookupError):
        is_ours = False
    if not is_ours:
        raise FileExistsError(f"{out}: --overwrite replaces only what {GENERATOR} wrote")
