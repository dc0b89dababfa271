"""Makes all that the studies need: scenes, depth of other inexactness, networks, the teacher's features.

python tools/studies/prepare.py data/toy32

What is there already stays. The solids do not turn (`--object-yaw constant:0`), so that yaw is the camera's
alone and can be learned, and the cameras are a narrower choice than the prior of configs/3dgp_toy32.py.
"""

import argparse
import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch

from ..data.features import FeatureLoading, write_features
from ..models.teacher import TimmTeacher
from ..scenes import ToyDataset, ToySettings, parse_distribution, write_dataset, write_inexact_depth
from . import toy_networks
from .arms import DEPTH_FOLDER, INEXACTNESS

NETWORK_FILES = {
    "teacher": "teacher.pth",
    "extractor": "extractor.ts",
    "depth_estimator": "depth_estimator.ts",
}
SEED = 0
DISTRIBUTIONS = {"object_yaw": "constant:0", "yaw": "normal:0:0.5"}


def main(argv: Sequence[str] | None = None) -> None:
    """Make what is missing."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", type=Path, help="the folder to make")
    parser.add_argument("--num", type=int, default=4096, help="scenes (default 4096)")
    parser.add_argument("--resolution", type=int, default=32, help="side in pixels (default 32)")
    parser.add_argument("--epochs", type=int, default=8, help="training of the networks (default 8)")
    parser.add_argument("--held-out", type=int, default=1024, help="scenes to judge them (default 1024)")
    args = parser.parse_args(argv)
    make_scenes(args.data, args.num, args.resolution)
    for inexactness in INEXACTNESS:
        depth = args.data / DEPTH_FOLDER.format(inexactness)
        if not depth.is_dir() or not any(depth.iterdir()):
            write_inexact_depth(args.data, depth, inexactness)
    networks = args.data / "networks"
    made_of = {"epochs": args.epochs, "held_out_images": args.held_out, "training_images": args.num}
    if missing := missing_networks(networks, made_of):
        options = {"epochs": args.epochs, "held-out": args.held_out}
        toy_networks.main([str(args.data), str(networks), *as_flags(options), "--only", *missing])
    make_features(args.data, networks / "teacher.pth", args.resolution)


def make_scenes(data: Path, num: int, resolution: int) -> None:
    """Render the scenes, unless they are there.

    Raises:
        ValueError: If others are there.
    """
    wanted = {"num": num, "resolution": resolution, "seed": SEED, **DISTRIBUTIONS}
    if not (data / "meta.json").is_file():
        yaw, object_yaw = (parse_distribution(DISTRIBUTIONS[name], name) for name in ("yaw", "object_yaw"))
        settings = ToySettings(yaw=yaw, object_yaw=object_yaw)
        scenes = ToyDataset(num, resolution, SEED, "corrupted", settings)
        write_dataset(data, scenes, os.cpu_count() or 1)
    meta = json.loads((data / "meta.json").read_text())
    meta = {"inexactness": 1.0, **meta}
    wanted["inexactness"] = 1.0
    found = {name: meta.get(name) for name in wanted}
    if found != wanted:
        raise ValueError(f"{data}: got scenes of {found}, wanted {wanted}")


def missing_networks(networks: Path, made_of: Mapping[str, int]) -> list[str]:
    """Names of the networks that are not there, or were trained in another way.

    Args:
        networks: Their folder.
        made_of: What networks.json has to say of each.
    """
    report = networks / "networks.json"
    known = json.loads(report.read_text()) if report.is_file() else {}

    def is_there(name: str) -> bool:
        return (networks / NETWORK_FILES[name]).is_file() and known.get(name, {}).items() >= made_of.items()

    return [name for name in toy_networks.MAKERS if not is_there(name)]


def make_features(data: Path, teacher: Path, resolution: int) -> None:
    """Compute the teacher's features, unless they are there and newer than the teacher."""
    features = data / "teacher.npy"
    if features.is_file() and features.stat().st_mtime >= teacher.stat().st_mtime:
        return
    device = "cuda" if torch.cuda.is_available() else "cpu"
    network = TimmTeacher(toy_networks.TEACHER, str(teacher), image_size=toy_networks.TEACHER_SIZE)
    loading = FeatureLoading(str(data / "train"), resolution, workers=min(8, os.cpu_count() or 1))
    write_features(network.to(device), loading, features, device)


def as_flags(options: Mapping[str, object]) -> list[str]:
    """Options as a command line has them."""
    return [text for name, value in options.items() for text in (f"--{name.replace('_', '-')}", str(value))]
