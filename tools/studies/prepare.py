"""Makes all that the studies need: procedural scenes, the small networks, the teacher's features.

python tools/studies/prepare.py data/toy32

What is there already stays. The solids do not turn (`--object-yaw constant:0`), so that yaw is the camera's
alone and can be learned, and the cameras are a narrower choice than the prior of configs/3dgp_toy32.py.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tools.data import compute_features, make_toy_scenes
from tools.studies import toy_networks

SCENES = ("--object-yaw", "constant:0", "--yaw", "normal:0:0.5")


def main(argv: Sequence[str] | None = None) -> None:
    """Makes what is missing."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", type=Path, help="the folder to make")
    parser.add_argument("--num", type=int, default=4096, help="scenes (default 4096)")
    parser.add_argument("--resolution", type=int, default=32, help="side in pixels (default 32)")
    parser.add_argument("--epochs", type=int, default=8, help="training of the networks (default 8)")
    args = parser.parse_args(argv)
    make_scenes(args.data, args.num, args.resolution)
    networks = args.data / "networks"
    report = networks / "networks.json"
    known = json.loads(report.read_text()) if report.is_file() else {}
    if missing := [name for name in toy_networks.MAKERS if name not in known]:
        toy_networks.main([str(args.data), str(networks), "--epochs", str(args.epochs), "--only", *missing])
    make_features(args.data, networks / "teacher.pth", args.resolution)


def make_scenes(data: Path, num: int, resolution: int) -> None:
    """Renders the scenes, unless they are there.

    Raises:
        ValueError: If others are there.
    """
    if not (data / "meta.json").is_file():
        make_toy_scenes.main([str(data), "--num", str(num), "--resolution", str(resolution), *SCENES])
    meta = json.loads((data / "meta.json").read_text())
    if (meta["num"], meta["resolution"]) != (num, resolution):
        raise ValueError(
            f"{data}: holds {meta['num']} scenes of side {meta['resolution']}, wanted {num} of {resolution}"
        )


def make_features(data: Path, teacher: Path, resolution: int) -> None:
    """Computes the teacher's features, unless they are there and newer than the teacher."""
    features = data / "teacher.npy"
    if features.is_file() and features.stat().st_mtime >= teacher.stat().st_mtime:
        return
    options = {
        "--model": toy_networks.TEACHER,
        "--checkpoint": str(teacher),
        "--image-size": str(toy_networks.TEACHER_SIZE),
        "--resolution": str(resolution),
    }
    compute_features.main(
        [str(data / "train"), str(features), *(text for pair in options.items() for text in pair)]
    )


if __name__ == "__main__":
    main()
