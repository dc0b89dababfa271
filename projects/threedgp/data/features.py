"""Writes the teacher's features of all images of a folder as a :class:`RowTable`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import UInt8
from torch import Tensor
from torch.utils.data import DataLoader, Dataset
from tqdm import tqdm

from ..models.teacher import TimmTeacher
from ..whole_files import whole_file
from .image_depth_dataset import ImageDepthDataset
from .row_table import checksum_of, names_path, write_names
from .table_origin import Stamp, TableOrigin, digests_of, origin_path, stamps_of


@dataclass(frozen=True)
class FeatureLoading:
    """How images come to the teacher.

    Args:
        data_root: Folder of images, nested or not.
        resolution: Of the training, in pixels.
        on_bad: What to do about unusable images, 'raise' or 'skip'.
        batch_size: Images at once.
        workers: Processes that load.
    """

    data_root: str
    resolution: int = 256
    on_bad: str = "raise"
    batch_size: int = 64
    workers: int = 0


class UnflippedImages(Dataset):
    """Index and RGB uint8 image (3, r, r) of each image; the image is None if it is not readable.

    The images are whole, and cropped and resized as in training.
    """

    def __init__(self, loading: FeatureLoading) -> None:
        self.images = ImageDepthDataset(
            loading.data_root,
            conditional=False,
            use_depth=False,
            on_bad=loading.on_bad,
            resolution=loading.resolution,
            pipeline=[dict(type="LoadImage", channel_order="rgb"), dict(type="FitSquare")],
        )

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> tuple[int, UInt8[Tensor, "3 r r"] | None]:
        # Not self.images[index], which would hand out another image's pixels for a broken file.
        sample = self.images.prepare_data(index)
        if sample is None:
            return index, None
        return index, torch.from_numpy(sample["gt"]).permute(2, 0, 1)

    def name(self, index: int) -> str:
        """Path of an image, relative to the folder."""
        return self.images.get_data_info(index)["name"]

    def stamps(self) -> list[Stamp]:
        """What tells whether an image is still the same, of each."""
        return stamps_of(self.images.data_root, [self.name(index) for index in range(len(self))])


def write_features(teacher: TimmTeacher, loading: FeatureLoading, out: Path, device: str) -> tuple[int, int]:
    """Write the features of all readable images.

    Row i of `out` (float32) belongs to line i of the list of names beside it; a ``.json`` tells their origin.

    Args:
        teacher: Gives features (n, ``feature_dim``) of RGB in [-1, 1].
        loading: The images.
        out: The ``.npy`` file.
        device: A torch device, where the teacher is.

    Returns:
        The number of rows, and of images that have none as they were not readable.

    Raises:
        ValueError: If images are unusable and are not to be skipped, or none is readable.
    """
    images = UnflippedImages(loading)
    with (
        whole_file(out) as rows,
        whole_file(names_path(out)) as names,
        whole_file(origin_path(out)) as origin,
    ):
        # Before they are read, so that what changes meanwhile is noticed.
        stamps = images.stamps()
        written = _write_rows(teacher, images, loading, rows, device)
        if not written:
            raise ValueError(f"{out} is not written: no image was readable")
        _cut(rows, len(written))
        write_names(names, [images.name(index) for index in written])
        kept = [stamps[index] for index in written]
        _origin(teacher, loading, kept, checksum_of(np.load(rows, mmap_mode="r"))).write(origin)
    return len(written), len(images) - len(written)


def _origin(teacher: TimmTeacher, loading: FeatureLoading, stamps: Sequence[Stamp], rows: str) -> TableOrigin:
    sizes, times = digests_of(stamps)
    digest, resolution = teacher.digest(), loading.resolution
    return TableOrigin(teacher.model, digest, teacher.image_size, resolution, sizes, times, rows)


def _write_rows(
    teacher: TimmTeacher, images: UnflippedImages, loading: FeatureLoading, path: Path, device: str
) -> list[int]:
    """Write the features of all readable images; returns the image index of every row."""
    shape = (len(images), int(teacher.feature_dim))
    table = np.lib.format.open_memmap(path, mode="w+", dtype=np.float32, shape=shape)
    loader = DataLoader(images, loading.batch_size, num_workers=loading.workers, collate_fn=_collate)
    written: list[int] = []
    with tqdm(total=len(images), desc="Teacher features", unit="img") as progress:
        for indices, batch in loader:
            if batch is not None:
                features = teacher(batch.to(device).float() / 127.5 - 1)
                table[len(written) : len(written) + len(indices)] = features.float().cpu().numpy()
            written += indices
            progress.update(min(loading.batch_size, len(images) - progress.n))
    table.flush()
    return written


def _collate(batch: Sequence[tuple[int, Tensor | None]]) -> tuple[list[int], Tensor | None]:
    """Indices and stacked images of the readable ones, ([], None) if there are none."""
    readable = [(index, image) for index, image in batch if image is not None]
    if not readable:
        return [], None
    indices, images = zip(*readable, strict=True)
    return list(indices), torch.stack(images)


def _cut(path: Path, count: int) -> None:
    """Cut off the rows that were not filled."""
    rows = np.load(path, mmap_mode="r")
    if count == len(rows):
        return
    with whole_file(path) as shorter, open(shorter, "wb") as file:
        np.save(file, rows[:count])
