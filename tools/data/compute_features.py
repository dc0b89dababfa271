"""Write the teacher's features of all images of a folder, for `features=` of ImageDepthDataset.

python tools/data/compute_features.py data/imagenet/train data/imagenet/resnet50.npy --pretrained

Row i of OUT.npy (float32) belongs to line i of OUT.txt, a path relative to DATA_ROOT. The images
are whole and unflipped, and are cropped and resized as in training before the teacher sees them.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset
from tqdm import tqdm

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from projects.threedgp.data.image_depth_dataset import ImageDepthDataset
from projects.threedgp.data.row_table import names_path
from projects.threedgp.models.teacher import TimmTeacher


class UnflippedImages(Dataset):
    """Index, RGB uint8 image (3, r, r) of each image; the image is None if it is not readable."""

    def __init__(self, data_root: str, resolution: int, on_bad: str) -> None:
        scale = (resolution, resolution)
        self.images = ImageDepthDataset(
            data_root,
            conditional=False,
            use_depth=False,
            on_bad=on_bad,
            pipeline=[
                {"type": "LoadImageFromFile", "key": "gt", "channel_order": "rgb"},
                {"type": "CenterCropLongEdge", "keys": ["gt"]},
                {
                    "type": "Resize",
                    "keys": ["gt"],
                    "scale": scale,
                    "interpolation": "lanczos",
                    "backend": "pillow",
                },
            ],
        )

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> tuple[int, torch.Tensor | None]:
        # Not self.images[index], which would hand out another image's pixels for a broken file.
        sample = self.images.prepare_data(index)
        if sample is None:
            return index, None
        return index, torch.from_numpy(sample["gt"].copy()).permute(2, 0, 1)

    def name(self, index: int) -> str:
        return self.images.get_data_info(index)["name"]


def collate(batch: list[tuple[int, torch.Tensor | None]]) -> tuple[list[int], Any]:
    """Indices and stacked images of the readable ones, ([], None) if there are none."""
    readable = [(index, image) for index, image in batch if image is not None]
    if not readable:
        return [], None
    indices, images = zip(*readable, strict=True)
    return list(indices), torch.stack(images)


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data_root", help="folder of images, nested or not")
    parser.add_argument("out", type=Path, help="the .npy file to write")
    parser.add_argument("--model", default="resnet50", help="timm model (default resnet50)")
    parser.add_argument("--checkpoint", help="local weights of the model")
    parser.add_argument("--pretrained", action="store_true", help="let timm download the weights")
    parser.add_argument("--image-size", type=int, default=224, help="what the teacher sees")
    parser.add_argument("--resolution", type=int, default=256, help="resolution of the training")
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument("--workers", type=int, default=min(8, os.cpu_count() or 1))
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--on-bad", choices=("raise", "skip"), default="raise")
    args = parser.parse_args(argv)
    if args.out.suffix != ".npy":
        parser.error(f"out is {args.out}, wanted a name that ends in .npy")
    if args.checkpoint is None and not args.pretrained:
        parser.error("neither --checkpoint nor --pretrained: the features would be random")
    return args


def main(argv: Sequence[str] | None = None) -> None:
    args = parse_args(argv)
    teacher = TimmTeacher(args.model, args.checkpoint, args.pretrained, args.image_size)
    images = UnflippedImages(args.data_root, args.resolution, args.on_bad)
    args.out.parent.mkdir(parents=True, exist_ok=True)
    temporary = args.out.with_name(f".{args.out.stem}.{os.getpid()}.npy")
    try:
        written = write_features(teacher.to(args.device), images, temporary, args)
        publish(temporary, args.out, [images.name(index) for index in written])
    finally:
        temporary.unlink(missing_ok=True)
        names_path(temporary).unlink(missing_ok=True)
    print(f"{args.out}: {len(written)} rows of {teacher.feature_dim}")
    if len(written) < len(images):
        print(f"{len(images) - len(written)} images were not readable (named above), no row")


def write_features(
    teacher: TimmTeacher, images: UnflippedImages, path: Path, args: argparse.Namespace
) -> list[int]:
    """Write the features of all readable images; returns the image index of every row."""
    shape = (len(images), teacher.feature_dim)
    table = np.lib.format.open_memmap(path, mode="w+", dtype=np.float32, shape=shape)
    loader = DataLoader(images, args.batch_size, num_workers=args.workers, collate_fn=collate)
    written: list[int] = []
    with tqdm(total=len(images), desc=f"{args.model} features", unit="img") as progress:
        for indices, batch in loader:
            if indices:
                features = teacher(batch.to(args.device).float() / 127.5 - 1)
                table[len(written) : len(written) + len(indices)] = features.float().cpu().numpy()
            written += indices
            progress.update(min(args.batch_size, len(images) - progress.n))
    table.flush()
    return written


def publish(temporary: Path, out: Path, names: list[str]) -> None:
    """Give a finished table its name, after cutting off the rows that were not filled."""
    rows = np.load(temporary, mmap_mode="r")
    if not names:
        raise ValueError(f"{out} is not written: no image was readable")
    if len(names) < len(rows):
        full = temporary.with_suffix(".full")
        temporary.rename(full)
        np.save(temporary, rows[: len(names)])
        full.unlink()
    names_path(temporary).write_text("".join(f"{name}\n" for name in names), encoding="utf-8")
    names_path(temporary).replace(names_path(out))
    temporary.replace(out)


if __name__ == "__main__":
    main()
