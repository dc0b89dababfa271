"""Mutated configs: misspelt names, wrong types and values out of range, at every level."""

import copy
import math
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from random import Random
from typing import Any

from tests import tiny_runs
from tests.reliability import small_run
from tests.reliability.doors import Case, Outcome, Said
from tools import train

PLACES = tuple[object, ...]
NUMBERS = {"-1": -1, "nan": math.nan, "inf": math.inf, "0": 0, "0.5": 0.5, "1e30": 1e30}
OTHERS = {"a text": "three", "a list": ["three"], "a dict": dict(three=3), "None": None}
# Sections that the sections of a config are misspelt as, and variables that are none.
MISSPELT = {
    "modle": "model",
    "models": "model",
    "Model": "model",
    "train_cgf": "train_cfg",
    "traincfg": "train_cfg",
    "train_dataloder": "train_dataloader",
    "train_data_loader": "train_dataloader",
    "optim_wraper": "optim_wrapper",
    "default_hook": "default_hooks",
    "custom_hook": "custom_hooks",
    "visualiser": "visualizer",
    "randomnes": "randomness",
    "log_processer": "log_processor",
    "loadfrom": "load_from",
    "workdir": "work_dir",
    "test_evalutor": "test_evaluator",
    "param_schedulers": "param_scheduler",
    "launchr": "launcher",
    "resumed": "resume",
}
VARIABLES = {
    "batch_size": 4,
    "_w": dict(cbase=64),
    "data_root": "data",
    "widths": [1, 2],
    "num_gpus": 8,
    "image_size": 32,
    "betas": (0.0, 0.99),
    "schedule": dict(start=0, end=1, over_kimg=5),
    "train_pipeline": [dict(type="LoadImage")],
    "lr": 1e-3,
    "norm_cfg": dict(type="BN"),
    "dataset_type": "ImageDepthDataset",
}


@cache
def settings(bench: Path) -> dict[str, Any]:
    """A config that is right, with arguments written out that it would otherwise leave to defaults."""
    data = Path(tiny_runs.write_images(bench / "configured", 8))
    right = small_run.training_settings(data)
    right["train_cfg"]["total_kimg"] = 0.004
    model = right["model"]
    model |= dict(
        adversarial_loss=dict(type="ThreeDGPAdversarialLoss", form="logistic"),
        r1=dict(type="R1Regularizer", gamma=0.05, interval=16),
        camera_regularizers=[
            dict(type="CameraEMDRegularizer"),
            dict(type="CameraMeanRegularizer", weight=10.0),
        ],
        patch_sampler=dict(type="PatchSampler", distribution="beta", alpha=1.0),
        blur_fade=dict(type="BlurFade"),
        ema_config=dict(type="ImagesSeenEMA", half_life_kimg=10.0),
        micro_batch_size=4,
    )
    model["generator"]["renderer"] |= dict(near=0.75, far=1.25)
    model["generator"]["field"] |= dict(cube_scale=0.5)
    model["generator"]["camera_prior"] = dict(
        type="CameraPrior",
        yaw=dict(dist="uniform", min=-1.5, max=1.5),
        fov_deg=dict(dist="uniform", min=10, max=45),
        radius=1.0,
    )
    model["generator"]["depth_adaptor"] |= dict(kernel_size=5, near_offset_fraction=0.25, identity_prob=0.5)
    model["discriminator"] |= dict(mbstd_group_size=4, low_precision_blocks=0)
    right["train_dataloader"]["dataset"] |= dict(resolution=32, max_images=8, on_bad="raise")
    return right


def leaves(node: Any, place: PLACES = ()) -> Iterator[tuple[PLACES, Any]]:
    """Everything in a config that holds nothing else, with its place."""
    items = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    found = list(items)
    if not found:
        yield place, node
    for key, child in found:
        yield from leaves(child, (*place, key))


def names(node: Any, place: PLACES = ()) -> Iterator[PLACES]:
    """The place of every name below the sections of a config."""
    items = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    for key, child in items:
        if isinstance(key, str) and place:
            yield (*place, key)
        yield from names(child, (*place, key))


def at(node: Any, place: PLACES) -> Any:
    """What is at a place."""
    for key in place:
        node = node[key]
    return node


def misspelt(name: str, rng: Random) -> str:
    """A name with one slip of the finger."""
    i = rng.randrange(1, len(name)) if len(name) > 1 else 0
    slips = [
        name[:i] + name[i + 1 :],
        name[:i] + name[i] * 2 + name[i + 1 :],
        f"{name}s",
        f"{name[:i]}x{name[i:]}",
    ]
    return rng.choice([slip for slip in slips if slip and slip != name])


@cache
def mutations(bench: Path) -> list[tuple[str, PLACES, Any]]:
    """All mutations of values: what, where, and the new value."""
    found: list[tuple[str, PLACES, Any]] = []
    for place, value in leaves(settings(bench)):
        if place[0] in ("custom_imports", "default_scope", "visualizer"):
            continue
        number = isinstance(value, int | float) and not isinstance(value, bool)
        for name, new in (NUMBERS | OTHERS if number else OTHERS | {"-1": -1, "nan": math.nan}).items():
            if (new != value and type(new) is not type(value)) or number:
                found.append((name, place, small_run.Special(new) if isinstance(new, float) else new))
    return found


def harmless(place: PLACES, new: Any) -> bool:
    """Whether a value is another choice and no mistake."""
    return (tuple(map(str, place[-2:])), repr(new)) in CHOICES


CHOICES: set[tuple[tuple[str, ...], str]] = {
    (("depth_adaptor", "near_offset_fraction"), "0"),
    (("generator", "patch_size"), "None"),
    (("r1", "gamma"), "0"),
    (("yaw", "max"), 'float("0.5")'),
    (("yaw", "min"), "-1"),
    (("discriminator", "low_precision_blocks"), "0"),
}
"""Values that are within what the signatures say, by the last names of their places."""


def config(bench: Path, folder: Path, number: int, rng: Random) -> Case:
    """A config with one mistake in it, trained."""
    right = copy.deepcopy(settings(bench))
    judge = _wrong
    if number < len(MISSPELT):
        wrong, name = list(MISSPELT.items())[number]
        what, named = f"{wrong} for {name}", (wrong,)
        right[wrong] = right.pop(name, dict(x=1))
    elif number - len(MISSPELT) < len(VARIABLES):
        name, value = list(VARIABLES.items())[number - len(MISSPELT)]
        what, named, judge = f"a variable {name}", (name,), _harmless
        right[name] = value
    elif number % 2:
        place = rng.choice(list(names(right)))
        node, name = at(right, place[:-1]), misspelt(str(place[-1]), rng)
        what, named = f"{'.'.join(map(str, place))} misspelt {name}", (name, str(place[-1]))
        node[name] = node.pop(place[-1])
    else:
        kind, place, value = rng.choice(mutations(bench))
        what, named = f"{'.'.join(map(str, place))}: {kind}", (str(place[0]), *map(str, place[-2:]))
        at(right, place[:-1])[place[-1]] = value
        judge = _harmless if harmless(place, value) else _wrong
    path = small_run.write_config(folder / "small.py", right)
    return Case(what, train, [path, "--work-dir", folder / "run"], named, judge)


def _wrong(said: Said) -> Outcome:
    return Outcome.WRONG


def _harmless(said: Said) -> Outcome:
    return Outcome.HARMLESS
