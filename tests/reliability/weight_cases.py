"""Mutated checkpoints, snapshots and weights, through everything that loads them."""

import copy
import io
import json
import pickle
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from random import Random
from types import ModuleType
from typing import Any

import numpy as np
import timm
import torch
from safetensors.torch import load_file, save_file

from tests import tiny_runs
from tests.official_snapshots import official_states, snapshot_bytes
from tests.reliability import small_run
from tests.reliability.byte_faults import fault
from tests.reliability.doors import Case, Outcome, Said, enter
from tools import render, train
from tools import test as evaluate
from tools.data import compute_features
from tools.model_converters import mmengine_to_official, official_to_mmengine, slim

TEACHER = "test_resnet"
NETWORKS = ("generator.", "generator_ema.module.", "discriminator.")


class Payload:
    """Has a function called by whoever unpickles it."""

    def __init__(self, function: Callable, *arguments: object) -> None:
        self.call = function, arguments

    def __reduce__(self) -> tuple:
        return self.call


@dataclass(frozen=True)
class Door:
    """A command that loads a checkpoint.

    Attributes:
        tool: Its module.
        argv: Its arguments, by config, checkpoint and a folder for the results.
        result: What came out, by that folder.
    """

    tool: ModuleType
    argv: Callable[[Path | None, Path, Path], list[object]]
    result: Callable[[Path], Any]


def _tensors(path: Path) -> dict[str, bytes]:
    stored = load_file(path) if path.suffix == ".safetensors" else small_run.weights_of(path)
    return {name: value.numpy().tobytes() for name, value in stored.items()}


def _files(*paths: object) -> list[object]:
    return [path for path in paths if path is not None]


_LOOK = ("--grid", "1x1", "--orbits", 0, "--steps-factor", 1, "--resolution", 8, "--labels", 0)
DOORS = {
    "render": Door(
        render,
        lambda config, file, out: [*_files(config, file), "--out", out, *_LOOK],
        lambda out: (out / "samples.png").read_bytes(),
    ),
    "slim": Door(
        slim,
        lambda config, file, out: [*_files(config, file), out / "slim.pth"],
        lambda out: _tensors(out / "slim.pth"),
    ),
    "test": Door(
        evaluate,
        lambda config, file, out: [*_files(config, file), "--work-dir", out],
        lambda out: json.loads((out / "metrics.json").read_text())["metrics"],
    ),
    "to-official": Door(
        mmengine_to_official,
        lambda config, file, out: [*_files(config, file), out / "out.safetensors"],
        lambda out: _tensors(out / "out.safetensors"),
    ),
    "resume": Door(
        train,
        lambda config, file, out: [config, "--work-dir", out, "--resume", file],
        lambda out: _tensors(out / "iter_2.pth"),
    ),
    "load_from": Door(
        train,
        lambda config, file, out: [config, "--work-dir", out, "--cfg-options", f"load_from={file}"],
        lambda out: _tensors(out / "iter_2.pth"),
    ),
}
SHARES = (
    "render",
    "render",
    "slim",
    "render",
    "resume",
    "slim",
    "to-official",
    "render",
    "test",
    "load_from",
)


@cache
def training(bench: Path) -> tuple[Path, Path]:
    """Config and first checkpoint of a training of two steps."""
    data = Path(tiny_runs.write_images(bench / "trained_on", 8))
    settings = small_run.training_settings(data)
    settings["train_cfg"]["total_kimg"] = 0.008
    settings |= dict(
        test_dataloader=tiny_runs.loader(str(data), training=False),
        test_evaluator=dict(metrics=[dict(type="NonFlatnessScore", fake_nums=4)]),
        test_cfg=dict(type="SeededTestLoop"),
    )
    config = small_run.write_config(bench / "training.py", settings)
    enter(train, [config, "--work-dir", bench / "training"])
    return config, bench / "training" / "iter_1.pth"


@cache
def wanted(bench: Path, door: str) -> Any:
    """What comes out of a door for the whole checkpoint."""
    config, checkpoint = training(bench)
    out = bench / f"wanted_{door}"
    out.mkdir()
    said = enter(DOORS[door].tool, DOORS[door].argv(config, checkpoint, out))
    assert said.status == 0, said
    return DOORS[door].result(out)


def through(bench: Path, folder: Path, door: str, name: str, config: Path | None = None) -> Case:
    """The mutated checkpoint of a folder on its way through a door."""
    right, out = wanted(bench, door), folder / "out"
    out.mkdir()

    def judge(said: Said) -> Outcome:
        # Without the names of the classes pictures show their numbers.
        same = DOORS[door].result(out) == right or name in NAMELESS
        return Outcome.HARMLESS if same else Outcome.WRONG

    argv = DOORS[door].argv(config, folder / "mutated.pth", out)
    return Case(f"{door}: {name}", DOORS[door].tool, argv, ("mutated",), judge)


def damaged(bench: Path, folder: Path, number: int, rng: Random) -> Case:
    """A checkpoint whose bytes went wrong."""
    config, checkpoint = training(bench)
    name, changed = fault(checkpoint.read_bytes(), number, rng)
    (folder / "mutated.pth").write_bytes(changed)
    return through(bench, folder, SHARES[number % len(SHARES)], name, config)


def _some(state: dict, rng: Random, start: str = "") -> str:
    names = [name for name in state if name.startswith(start or rng.choice(NETWORKS))]
    return rng.choice([name for name in names if state[name].is_floating_point() and state[name].numel() > 1])


def _edit_weight(edit: Callable[[torch.Tensor], Any]) -> Callable:
    def change(stored: dict, rng: Random) -> None:
        state = stored["state_dict"]
        name = _some(state, rng)
        state[name] = edit(state[name].clone())

    return change


def _with_first(value: float) -> Callable[[torch.Tensor], torch.Tensor]:
    def edit(tensor: torch.Tensor) -> torch.Tensor:
        tensor.view(-1)[0] = value
        return tensor

    return edit


def _set(*path: str, to: Any) -> Callable:
    def change(stored: dict, rng: Random) -> None:
        node = stored
        for name in path[:-1]:
            node = node[name]
        node[path[-1]] = to

    return change


def _drop(*path: str) -> Callable:
    def change(stored: dict, rng: Random) -> None:
        node = stored
        for name in path[:-1]:
            node = node[name]
        del node[path[-1]]

    return change


def _lose_weight(stored: dict, rng: Random) -> None:
    del stored["state_dict"][_some(stored["state_dict"], rng)]


def _rename_weight(stored: dict, rng: Random) -> None:
    state = stored["state_dict"]
    name = _some(state, rng)
    state[name.replace(".", "_", 1)] = state.pop(name)


def _spoil_optimizer(stored: dict, rng: Random) -> None:
    moments = stored["optimizer"][rng.choice(("generator", "discriminator"))]["state"]
    moments[rng.choice(list(moments))]["exp_avg"].view(-1)[0] = rng.choice((np.nan, np.inf))


EDITS = {
    "NaN in a weight": _edit_weight(_with_first(np.nan)),
    "infinity in a weight": _edit_weight(_with_first(np.inf)),
    "- infinity in a weight": _edit_weight(_with_first(-np.inf)),
    "a weight is missing": _lose_weight,
    "a weight of another name": _rename_weight,
    "a weight too many": _set("state_dict", "generator.extra.weight", to=torch.ones(3)),
    "another shape": _edit_weight(lambda tensor: tensor.flatten()[:-1].clone()),
    "one dimension more": _edit_weight(lambda tensor: tensor[None].clone()),
    "whole numbers": _edit_weight(lambda tensor: tensor.long()),
    "complex numbers": _edit_weight(lambda tensor: tensor + 1j),
    "double precision": _edit_weight(lambda tensor: tensor.double()),
    "a text for a weight": _edit_weight(lambda tensor: "weight"),
    "nothing for a weight": _edit_weight(lambda tensor: None),
    "an array for a weight": _edit_weight(lambda tensor: tensor.numpy()),
    "weights in a list": lambda stored, rng: stored.update(state_dict=list(stored["state_dict"].values())),
    "no weights": _set("state_dict", to={}),
    "None for all weights": _set("state_dict", to=None),
    "a number for all weights": _set("state_dict", to=3),
    "weights under numbers": _set("state_dict", 7, to=torch.ones(2)),
    "a negative count of images": _set("state_dict", "images_seen", to=torch.tensor(-5)),
    "a count of images that is none": _set("state_dict", "images_seen", to=torch.tensor(0.5)),
    "no class at all": _set("state_dict", "label_distribution", to=torch.zeros(5)),
    "negative shares": _set("state_dict", "label_distribution", to=torch.tensor([-1.0, 1, 0.5, 0.5, 0])),
    "meta is None": _set("meta", to=None),
    "meta is a list": _set("meta", to=[1, 2]),
    "meta is a text": _set("meta", to="meta"),
    "no meta": _drop("meta"),
    "classes in a number": _set("meta", "dataset_meta", to=5),
    "fewer classes": _set("meta", "dataset_meta", to=dict(classes=["a"])),
    "other things only": lambda stored, rng: [stored.pop("state_dict"), stored.update(weights=1)],
}
NAMELESS = ("meta is None", "no meta", "classes in a number", "fewer classes")
TRAINING_EDITS = {
    "NaN in an optimiser": _spoil_optimizer,
    "no optimiser": _drop("optimizer"),
    "an empty optimiser": _set("optimizer", to={}),
    "an optimiser of a list": _set("optimizer", to=[1]),
    "one optimiser": _drop("optimizer", "generator"),
    "an optimiser without state": _set("optimizer", "generator", "state", to={}),
    "no groups": _set("optimizer", "generator", "param_groups", to=[]),
    "learning rate NaN": lambda stored, rng: stored["optimizer"]["generator"]["param_groups"][0].update(
        lr=float("nan")
    ),
    "moments of another shape": lambda stored, rng: next(
        iter(stored["optimizer"]["generator"]["state"].values())
    ).update(exp_avg=torch.ones(3)),
    "no message hub": _drop("message_hub"),
    "message hub of a list": _set("message_hub", to=[]),
    "iteration in words": _set("meta", "iter", to="one"),
    "iteration -1": _set("meta", "iter", to=-1),
    "no iteration": _drop("meta", "iter"),
    "no epoch": _drop("meta", "epoch"),
    "seed in words": _set("meta", "seed", to="x"),
    "no seed": _drop("meta", "seed"),
    "no configuration": _drop("meta", "cfg"),
    "another training's experiment": _set("meta", "experiment_name", to=None),
    "classes in another order": _set("meta", "dataset_meta", to=dict(classes=small_run.NAMES[::-1])),
}


def edited(bench: Path, folder: Path, number: int, rng: Random) -> Case:
    """A whole checkpoint of wrong contents."""
    config, checkpoint = training(bench)
    everywhere, doors = list(EDITS), ("render", "resume", "slim", "test", "to-official", "load_from")
    if number % 4 == 3:
        names = list(TRAINING_EDITS)
        name, door = names[number // 4 % len(names)], "resume"
    else:
        turn = number - number // 4
        name = everywhere[turn % len(everywhere)]
        door = doors[(turn + turn // len(everywhere)) % len(doors)]
    stored = torch.load(checkpoint, weights_only=False)
    (EDITS | TRAINING_EDITS)[name](stored, rng)
    torch.save(stored, folder / "mutated.pth")
    return through(bench, folder, door, name, config)


def hostile(bench: Path, folder: Path, number: int, rng: Random) -> Case:
    """A checkpoint that wants something executed."""
    config, checkpoint = training(bench)
    mark = str(folder.parent / "EXECUTED")
    payloads = (
        Payload(exec, f"open({mark!r}, 'w')"),
        Payload(eval, f"open({mark!r}, 'w')"),
        Payload(__import__("os").system, f"touch {mark}"),
        Payload(open, mark, "w"),
        Payload(__import__("subprocess").getoutput, f"touch {mark}"),
    )
    stored = torch.load(checkpoint, weights_only=False)
    payload = payloads[number % 5]
    target = (("meta", "x"), ("state_dict", "x"), ("optimizer", "x"), ("x",))[number // 5 % 4]
    _set(*target, to=payload)(stored, rng)
    container, path = number // 7 % 3, folder / "mutated.pth"
    if container == 0:
        torch.save(stored, path)
    elif container == 1:
        torch.save(stored, path, _use_new_zipfile_serialization=False)
    else:
        path.write_bytes(pickle.dumps(stored, protocol=number % 3 + 2))
    door = list(DOORS)[number % len(DOORS)]
    return through(
        bench, folder, door, f"{payload.call[0].__name__} in {target}, container {container}", config
    )


def hostile_configs(mark: Path, text: str) -> dict[str, str]:
    """Stored configs that want something executed, or are none, by name."""
    touch = f"touch {mark}"

    def instead(old: str, new: str) -> str:
        before, there, after = text.partition(old)
        assert there, f"the stored config is written in another way: no {old} in it"
        return before + new + after

    return {
        "code at the beginning": f"open({str(mark)!r}, 'w')\n{text}",
        "an import": f"import os\nos.system({touch!r})\n{text}",
        "a call in a value": f"{text}\nx = __import__('os').system({touch!r})\n",
        "a comprehension": f"{text}\nx = [open(p, 'w') for p in [{str(mark)!r}]]\n",
        "a base": f"_base_ = [{str(mark.with_suffix('.py'))!r}]\n{text}",
        "a type by its path": f"{text}\nmodel = dict(type='subprocess.getoutput', cmd={touch!r})\n",
        "a part by its path": instead(
            "teacher=None", f"teacher=dict(type='subprocess.getoutput', cmd={touch!r})"
        ),
        "a dataset by its path": instead("type='ImageDepthDataset'", f"cmd={touch!r}, type='os.popen'"),
        "a hook by its path": f"{text}\ncustom_hooks = [dict(type='os.popen', cmd={touch!r})]\n",
        "half a config": text[: len(text) // 2],
        "no config": "nothing to see here",
        "a number": "3",
        "an empty config": "",
        "deep nesting": f"x = {'[' * 5000}{']' * 5000}\n{text}",
        "format in a text": f"{text}\nx = '{{0.__class__}}'.format(1)\n",
    }


def hostile_config(bench: Path, folder: Path, number: int, rng: Random) -> Case:
    """A checkpoint whose stored config is a program."""
    _, checkpoint = training(bench)
    stored = torch.load(checkpoint, weights_only=False)
    mark = folder.parent / "EXECUTED"
    mark.with_suffix(".py").write_text(f"open({str(mark)!r}, 'w')\n")
    configs = hostile_configs(mark, stored["meta"]["cfg"])
    name = list(configs)[number % len(configs)]
    stored["meta"]["cfg"] = configs[name]
    torch.save(stored, folder / "mutated.pth")
    door = ("render", "slim", "test", "to-official")[number // len(configs) % 4]
    return through(bench, folder, door, f"stored config: {name}")


@cache
def official(bench: Path) -> tuple[dict, bytes]:
    """Weights of a snapshot of the release, and the snapshot."""
    states = official_states()
    return states, snapshot_bytes(states)


def snapshot(bench: Path, folder: Path, number: int, rng: Random) -> Case:
    """A training snapshot of the release, which has no check sums."""
    states, content = official(bench)
    if number % 3:
        name, content = fault(content, number, rng)
    else:
        name, content = _edited_snapshot(copy.deepcopy(states), number // 3, rng, folder.parent / "EXECUTED")
    (folder / "mutated.pkl").write_bytes(content)
    out, right = folder / "out.pth", _converted(bench)

    def judge(said: Said) -> Outcome:
        got = torch.load(out, weights_only=False)["state_dict"]
        if not all(value.isfinite().all() for value in got.values()):
            return Outcome.WRONG
        same = {key: value.numpy().tobytes() for key, value in got.items()} == right
        return Outcome.HARMLESS if same else Outcome.UNKNOWABLE

    return Case(name, official_to_mmengine, [folder / "mutated.pkl", out], ("mutated",), judge)


@cache
def _converted(bench: Path) -> dict[str, bytes]:
    (bench / "whole.pkl").write_bytes(official(bench)[1])
    enter(official_to_mmengine, [bench / "whole.pkl", bench / "converted.pth"])
    return _tensors(bench / "converted.pth")


def _edited_snapshot(states: dict, number: int, rng: Random, mark: Path) -> tuple[str, bytes]:
    state = states[rng.choice(("G", "G_ema", "D"))]
    key = rng.choice([name for name, value in state.items() if value.ndim > 1])
    edits = ("NaN", "infinity", "missing", "another shape", "too many", "hostile", "hostile too")
    name = edits[number % len(edits)]
    if name in ("NaN", "infinity"):
        state[key].view(-1)[0] = np.nan if name == "NaN" else np.inf
    elif name == "missing":
        del state[key]
    elif name == "another shape":
        state[key] = state[key][..., :-1].clone()
    elif name == "too many":
        state["extra"] = torch.ones(2)
    function = __import__("os").system if name == "hostile" else exec
    argument = f"touch {mark}" if name == "hostile" else f"open({str(mark)!r}, 'w')"
    more = dict(extra=Payload(function, argument)) if name.startswith("hostile") else {}
    return f"{name}: {key}", snapshot_bytes(states, **more)


@cache
def photos_and_teacher(bench: Path) -> tuple[Path, dict[str, torch.Tensor], bytes]:
    """Photos, the weights of a teacher, and what it says of the photos."""
    photos = Path(tiny_runs.write_images(bench / "taught", 4))
    torch.manual_seed(0)
    weights = timm.create_model(TEACHER).state_dict()
    torch.save(weights, bench / "teacher.pth")
    enter(compute_features, features_argv(photos, bench / "teacher.pth", bench / "taught.npy"))
    return photos, weights, (bench / "taught.npy").read_bytes()


def features_argv(photos: Path, weights: Path, out: Path, *more: object) -> list[object]:
    """Arguments of tools/data/compute_features.py."""
    small = ["--image-size", 32, "--resolution", 32, "--batch-size", 4, "--workers", 0]
    return [photos, out, "--model", TEACHER, "--checkpoint", weights, *small, *more]


def teacher(bench: Path, folder: Path, number: int, rng: Random) -> Case:
    """Weights of a teacher, with check sums (.pth) or without (.safetensors)."""
    photos, weights, right = photos_and_teacher(bench)
    suffix = ("pth", "safetensors")[number % 2]
    weights = {name: value.clone() for name, value in weights.items()}
    name = ("NaN", "infinity", None, None, None)[number // 2 % 5]
    if name:
        key = rng.choice([key for key in weights if key.endswith("weight")])
        weights[key].view(-1)[0] = np.nan if name == "NaN" else np.inf
    path = folder / f"mutated.{suffix}"
    if suffix == "pth":
        file = io.BytesIO()
        torch.save(weights, file)
        path.write_bytes(file.getvalue())
    else:
        save_file(weights, path)
    if not name:
        name, changed = fault(path.read_bytes(), number // 2, rng)
        path.write_bytes(changed)
    out = folder / "features.npy"

    def judge(said: Said) -> Outcome:
        if out.read_bytes() == right:
            return Outcome.HARMLESS
        finite = np.isfinite(np.load(out)).all()
        return Outcome.UNKNOWABLE if finite and suffix == "safetensors" else Outcome.WRONG

    argv = features_argv(photos, path, out)
    return Case(f"{path.name}: {name}", compute_features, argv, ("mutated",), judge)
