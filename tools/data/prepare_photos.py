"""Turn a folder of photos into a training set: square PNGs in class folders, with depth maps.

python tools/data/prepare_photos.py ~/photos data/photos --resolution 256 \\
    --depth-model depth-anything/Depth-Anything-V2-Small-hf

Writes OUT/train/<class>/<name>.png, <name>_depth.png beside it (16 bits, larger = farther), and
OUT/meta.json, which accounts for every file in PHOTOS. Depth comes from a depth model (each map
stretched to the full range) or from the depth maps <name>_depth.png that lie beside the photos.
Classes are those of PHOTOS/dataset.json (StyleGAN's layout) if it is there; otherwise the first
folder level is the class if at least two folders hold images; otherwise there is one class, "all".
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from projects.threedgp.errors import user_errors

if TYPE_CHECKING:
    from projects.threedgp.data.preparation import Estimate, Preparation


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("photos", type=Path, help="folder of images, nested or not")
    parser.add_argument("out", type=Path, help="folder to write, new or empty")
    parser.add_argument("--resolution", type=int, required=True, help="side in pixels")
    parser.add_argument("--depth-model", help="local folder or hub name; default the maps beside the photos")
    parser.add_argument(
        "--depth-nearer-larger",
        action="store_true",
        help="the depth model, or the maps beside the photos, are larger for nearer points (MiDaS, DPT); of "
        "models whose config tells (Depth Anything) it need not be said",
    )
    parser.add_argument("--max-images", type=int, help="take that many, spread over the folder")
    parser.add_argument(
        "--single-class", action="store_true", help="folders and dataset.json give no classes"
    )
    parser.add_argument("--overwrite", action="store_true", help="replace OUT if it is not empty")
    parser.add_argument("--batch-size", type=int, default=8, help="of the depth model")
    parser.add_argument("--device", help="of the depth model; default cuda if there is one")
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
    args = vars(parse_args(argv))
    device = args.pop("device")
    del args["overwrite"]
    with user_errors():
        # Not before the arguments are read: the toolkit takes seconds to import.
        from projects.threedgp.data.preparation import Preparation, prepare, report

        settings = Preparation(**args)
        print(report(prepare(settings, depth_estimator(settings, device)), settings.out))


def depth_estimator(settings: Preparation, device: str | None) -> Estimate | None:
    if settings.depth_model is None:
        return None
    import torch

    from projects.threedgp.data.depth_estimation import DepthEstimator

    device = device or ("cuda" if torch.cuda.is_available() else "cpu")
    return DepthEstimator(settings.depth_model, settings.depth_nearer_larger, device)


if __name__ == "__main__":
    main()
