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

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from projects.threedgp.command_line import add_overwrite, more_than, refuse_existing
from projects.threedgp.errors import user_errors


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data_root", help="folder of images, nested or not")
    parser.add_argument("out", type=Path, help="the .npy file to write")
    parser.add_argument("--model", default="resnet50", help="timm model (default resnet50)")
    parser.add_argument("--checkpoint", help="local weights of the model")
    parser.add_argument("--pretrained", action="store_true", help="let timm download the weights")
    parser.add_argument("--image-size", type=more_than(0), default=224, help="what the teacher sees")
    parser.add_argument("--resolution", type=more_than(0), default=256, help="resolution of the training")
    parser.add_argument("--batch-size", type=more_than(0), default=64)
    parser.add_argument("--workers", type=more_than(-1), default=min(8, os.cpu_count() or 1))
    parser.add_argument("--device", help="default cuda if there is one")
    parser.add_argument("--on-bad", choices=("raise", "skip"), default="raise")
    add_overwrite(parser)
    args = parser.parse_args(argv)
    if args.out.suffix != ".npy":
        parser.error(f"out is {args.out}, wanted a name that ends in .npy")
    if args.checkpoint is None and not args.pretrained:
        parser.error("neither --checkpoint nor --pretrained: the features would be random")
    refuse_existing(parser, args.overwrite, args.out)
    return args


def main(argv: Sequence[str] | None = None) -> None:
    args = parse_args(argv)
    with user_errors():
        run(args)


def run(args: argparse.Namespace) -> None:
    # Not before the arguments are read: torch and the toolkit take seconds to import.
    import torch

    from projects.threedgp.data.features import FeatureLoading, write_features
    from projects.threedgp.data.images import shown
    from projects.threedgp.models.teacher import TimmTeacher
    from projects.threedgp.wording import counted

    device = args.device or ("cuda" if torch.cuda.is_available() else "cpu")
    teacher = TimmTeacher(args.model, args.checkpoint, args.pretrained, args.image_size).to(device)
    loading = FeatureLoading(args.data_root, args.resolution, args.on_bad, args.batch_size, args.workers)
    written, unreadable = write_features(teacher, loading, args.out, device)
    print(f"{shown(args.out)}: {counted(written, 'row')} of {teacher.feature_dim}")
    if unreadable:
        print(f"no row, as unreadable (named above): {counted(unreadable, 'image')}")


if __name__ == "__main__":
    main()
