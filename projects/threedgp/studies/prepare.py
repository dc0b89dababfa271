"""Makes all that the studies need: scenes, depth of other inexactness, networks, the teacher's features."""

import json
import os
from collections.abc import Mapping
from pathlib import Path

import torch

from ..data.features import FeatureLoading, write_features
from ..models.teacher import TimmTeacher
from ..scenes import ToyDataset, ToySettings, parse_distribution, write_dataset, write_inexact_depth
from .arms import DEPTH_FOLDER, INEXACTNESS, NETWORK_FILES
from .toy_networks import TEACHER, TEACHER_SIZE, train_networks

SEED = 0
DISTRIBUTIONS = {"object_yaw": "constant:0", "yaw": "normal:0:0.5"}


def prepare(data: Path, num: int, resolution: int, epochs: int, held_out: int) -> None:
    """Make what is missing.

    Args:
        data: The folder to make.
        num: Number of scenes.
        resolution: Side of the images in pixels.
        epochs: Length of the training of the networks.
        held_out: Number of scenes that judge the networks.
    """
    make_scenes(data, num, resolution)
    for inexactness in INEXACTNESS:
        depth = data / DEPTH_FOLDER.format(inexactness)
        if not depth.is_dir() or not any(depth.iterdir()):
            write_inexact_depth(data, depth, inexactness)
    networks = data / "networks"
    made_of = {"epochs": epochs, "held_out_images": held_out, "training_images": num}
    if missing := missing_networks(networks, made_of):
        train_networks(data, networks, epochs, held_out, missing)
    make_features(data, networks / NETWORK_FILES["teacher"], resolution)


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

    return [
        name
        for name, file in NETWORK_FILES.items()
        if not ((networks / file).is_file() and known.get(name, {}).items() >= made_of.items())
    ]


def make_features(data: Path, teacher: Path, resolution: int) -> None:
    """Compute the teacher's features, unless they are there and newer than the teacher."""
    features = data / "teacher.npy"
    if features.is_file() and features.stat().st_mtime >= teacher.stat().st_mtime:
        return
    device = "cuda" if torch.cuda.is_available() else "cpu"
    network = TimmTeacher(TEACHER, str(teacher), image_size=TEACHER_SIZE)
    loading = FeatureLoading(str(data / "train"), resolution, workers=min(8, os.cpu_count() or 1))
    write_features(network.to(device), loading, features, device)
