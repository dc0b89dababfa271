"""Measures samples of any program: `python tools/evaluate_folder.py SAMPLES --data-root data/imagenet/train`.

SAMPLES is a folder of images, nested or not, a zip archive of them, or an .npz file as ADM's evaluation
suite writes it. FID, IS, KID, precision and recall against the real images; with depth maps beside the
images (NAME_depth.png) also their non-flatness, and with --depth-estimator their accuracy. The values go
into --out as metrics.json, with the protocol, and as a table, metrics.md.

Both are compared at the samples' resolution, or at --resolution: real images are cropped to the central
square and resized, samples are left as they are where they have that size.
"""

import argparse
import os
import sys
from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from projects.threedgp import command_line
from projects.threedgp.errors import user_errors

METRICS = ("fid", "is", "kid", "pr", "nfs", "depth")


def parse_arguments(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """The command line; paths that do not exist end here."""
    parser = command_line.make_parser(__doc__)
    add, file = parser.add_argument, command_line.existing_file
    add("samples", type=samples_path, help="folder, .zip or .npz")
    add("--data-root", type=command_line.existing_folder, required=True, help="folder of the real images")
    add("--out", help="where the metrics go (default: work_dirs/<name of SAMPLES>)")
    add(
        "--inception-path",
        dest="inception",
        type=file,
        help="the Inception network (default: NVIDIA's, from the cache or the internet)",
    )
    add("--vgg", type=file, help="another network for precision and recall (default: the Inception network)")
    add("--depth-estimator", type=file, help="TorchScript that the depth maps are compared with")
    add("--metrics", nargs="+", choices=METRICS, default=METRICS, help="default: all that can be measured")
    add("--resolution", type=int, help="pixels along a side (default: the samples')")
    add("--num", dest="count", type=int, help="use that many samples, spread evenly (default: all)")
    add("--no-depth", dest="use_depth", action="store_false", help="leave depth maps alone")
    add("--depth-nearer-larger", dest="nearer_larger", action="store_true", help="larger values are nearer")
    add(
        "--depth-levels",
        type=int,
        nargs=2,
        metavar=("LOW", "HIGH"),
        default=(0, 65535),
        help="values at the ends of the scene, 8-bit ones times 256 (default: 0 65535)",
    )
    add("--splits", type=int, default=10, help="groups of the Inception score (default 10)")
    add("--batch-size", type=int, default=64, help="images at a time (default 64)")
    add("--workers", type=int, default=min(os.cpu_count() or 1, 8), help="processes that load")
    add("--device", help="default: CUDA if there is one")
    add("--seed", type=int, default=0, help="of what is drawn at random")
    return parser.parse_args(argv)


def samples_path(text: str) -> str:
    """`text` itself if there is such a file, or a folder with something in it; for argparse's `type`."""
    return command_line.existing_file(text) if Path(text).is_file() else command_line.existing_folder(text)


def main(argv: Sequence[str] | None = None) -> None:
    """Measures the samples of the command line."""
    args = parse_arguments(argv)
    import torch

    from projects.threedgp.apis.folder_evaluation import FolderOptions, evaluate_folder
    from projects.threedgp.engine.launch import save_metrics

    args.device = args.device or ("cuda" if torch.cuda.is_available() else "cpu")
    args.depth_levels, args.metrics = tuple(args.depth_levels), tuple(args.metrics)
    options = FolderOptions(**{each.name: getattr(args, each.name) for each in fields(FolderOptions)})
    result = evaluate_folder(args.samples, args.data_root, options)
    out = args.out or Path("work_dirs", Path(args.samples).resolve().stem)
    about = {"samples": args.samples, "data_root": args.data_root, "seed": str(args.seed)}
    for path in save_metrics(result.metrics, out, **about, protocol=result.protocol):
        print(f"metrics: {path}")


if __name__ == "__main__":
    with user_errors():
        main()
