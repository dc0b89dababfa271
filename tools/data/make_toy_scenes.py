"""Makes a data set of textured solids with exact cameras and depth, in the ImageNet layout.

Example:
    python tools/data/make_toy_scenes.py data/toy64 --num 20000 --resolution 64 --seed 0
    python tools/data/make_toy_scenes.py data/controlled32 --num 8192 --resolution 32 --controlled

OUT/train/<class>/<name>.png        the image, 8-bit RGB
OUT/train/<class>/<name>_depth.png  its depth as a monocular estimator would see it, 16-bit
OUT/exact_depth/...                 its exact depth, 16-bit
OUT/cameras.npy, cameras.txt        packed cameras, and the image of each row
OUT/meta.json, preview.png          all settings, and a contact sheet
"""

import argparse
import math
import os
import sys
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from projects.threedgp.errors import user_errors
from projects.threedgp.scenes import (
    CLASSES,
    CONTROLLED,
    DEPTH_KINDS,
    Distribution,
    ToyDataset,
    ToySettings,
    parse_distribution,
    write_dataset,
)
from projects.threedgp.scenes.distributions import WANTED
from projects.threedgp.wording import counted

# Setting: the open interval that holds all draws, and the help text.
DISTRIBUTIONS = {
    "fov": (0.0, 180.0, "full field of view in degrees"),
    "yaw": (-math.inf, math.inf, "camera yaw in radians, 0 looks from +z"),
    "pitch": (0.0, math.pi, "camera pitch in radians from +y, pi/2 is the horizon"),
    "look_at_yaw": (-math.inf, math.inf, "yaw of the look-at point in radians"),
    "look_at_pitch": (-math.inf, math.inf, "pitch of the look-at point in radians"),
    "look_at_radius": (-1.0, 1.0, "distance of the look-at point from the origin"),
    "object_yaw": (-math.inf, math.inf, "turn of the solid about the vertical in radians"),
}


def main(argv: Sequence[str] | None = None) -> None:
    """Reads the command line and writes the data set; a bad value ends with its reason."""
    parser = build_parser()
    args = parser.parse_args(argv)
    try:
        settings = ToySettings(
            near=args.near,
            far=args.far,
            failure_rate=args.failure_rate,
            inexactness=args.inexactness,
            of_class=_of_class(args),
            **{name: _distribution(args, name) for name in DISTRIBUTIONS},
        )
        dataset = ToyDataset(args.num, args.resolution, args.seed, args.depth, settings)
        write_dataset(args.out, dataset, args.workers, args.overwrite)
    except (ValueError, FileExistsError) as error:
        parser.error(str(error))
    print(f"{args.out}: {counted(args.num, 'image')}; have a look at {args.out / 'preview.png'}")


def build_parser() -> argparse.ArgumentParser:
    """Returns the command line; the defaults are those of ``ToySettings``."""
    summary, _, details = (__doc__ or "").partition("\n\n")
    parser = argparse.ArgumentParser(
        description=summary, epilog=details, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    default = ToySettings()
    parser.add_argument("out", type=Path, metavar="OUT", help="folder to create")
    parser.add_argument("--num", type=int, required=True, metavar="N", help="number of images")
    parser.add_argument("--resolution", type=int, default=64, metavar="R", help="side in pixels")
    parser.add_argument("--seed", type=int, default=0, metavar="S", help="image i depends on S, i")
    for name, (_, _, text) in DISTRIBUTIONS.items():
        shown = str(getattr(default, name))
        parser.add_argument(
            _flag(name), default=shown, metavar="DIST", help=f"{text} (default {shown}); {WANTED}"
        )
    parser.add_argument(
        "--controlled", action="store_true", help="a field of view and cameras of its own for each class"
    )
    parser.add_argument(
        "--of-class",
        nargs="+",
        default=[],
        metavar="CLASS.NAME=DIST",
        help="one of these distributions for one class only, such as torus.fov=constant:20",
    )
    parser.add_argument("--near", type=float, default=default.near, help="depth stored as 0")
    parser.add_argument("--far", type=float, default=default.far, help="depth stored as 65535")
    parser.add_argument(
        "--depth", choices=DEPTH_KINDS, default="corrupted", help="what lies beside the images"
    )
    parser.add_argument(
        "--failure-rate", type=float, default=default.failure_rate, help="share of planar depth"
    )
    parser.add_argument(
        "--inexactness", type=float, default=default.inexactness, help="factor on the errors of other depth"
    )
    parser.add_argument("--workers", type=int, default=os.cpu_count(), help="processes")
    parser.add_argument("--overwrite", action="store_true", help="replace a data set made by this tool")
    return parser


def _of_class(args: argparse.Namespace) -> dict[str, dict[str, Distribution]]:
    """The distributions of single classes: those of the controlled set, if it is wanted, then those named."""
    chosen = {name: dict(own) for name, own in CONTROLLED.items()} if args.controlled else {}
    for text in args.of_class:
        place, _, value = text.partition("=")
        class_name, _, name = place.partition(".")
        if class_name not in CLASSES or name not in DISTRIBUTIONS:
            raise ValueError(
                f"--of-class: got {text!r}, wanted CLASS.NAME=DIST with CLASS out of {', '.join(CLASSES)} "
                f"and NAME out of {', '.join(DISTRIBUTIONS)}"
            )
        low, high, _ = DISTRIBUTIONS[name]
        own = parse_distribution(value, f"--of-class {place}", low, high)
        chosen.setdefault(class_name, {})[name] = own
    return chosen


def _distribution(args: argparse.Namespace, name: str) -> Distribution:
    low, high, _ = DISTRIBUTIONS[name]
    return parse_distribution(getattr(args, name), _flag(name), low, high)


def _flag(name: str) -> str:
    return "--" + name.replace("_", "-")


if __name__ == "__main__":
    with user_errors():
        main()
