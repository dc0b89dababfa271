"""Mutated tables of features, statistics of real images, lists of labels and accounts of data sets."""

import json
import shutil
from collections.abc import Callable
from functools import cache
from pathlib import Path
from random import Random

import numpy as np

from projects.threedgp.evaluation import feature_metric
from tests import tiny_runs
from tests.reliability import small_run
from tests.reliability.byte_faults import fault
from tests.reliability.doors import Case, Outcome, Said, enter
from tests.reliability.image_cases import measuring, picture, write_samples
from tests.reliability.weight_cases import Payload, features_argv, photos_and_teacher
from tools import evaluate_folder, train
from tools.data import compute_features, make_toy_scenes, prepare_photos

SUFFIXES = (".npy", ".npy", ".npy", ".txt", ".json")


@cache
def distilling(bench: Path) -> tuple[Path, Path, dict]:
    """Images, the table of their features, and the weights of a training with both."""
    photos_and_teacher(bench)
    data, table = Path(tiny_runs.write_images(bench / "distilled", 8)), bench / "table.npy"
    enter(compute_features, features_argv(data, bench / "teacher.pth", table))
    config = _distilling_config(bench / "distilling.py", data, table)
    enter(train, [config, "--work-dir", bench / "distilling"])
    return data, table, small_run.weights_of(bench / "distilling" / "iter_1.pth")


def _distilling_config(path: Path, data: Path, table: Path) -> Path:
    settings = small_run.distilling(small_run.training_settings(data, resolution=32), table)
    settings["train_cfg"]["total_kimg"] = 0.004
    return small_run.write_config(path, settings)


def _with(row: int, value: float) -> Callable[[np.ndarray], np.ndarray]:
    def edit(rows: np.ndarray) -> np.ndarray:
        rows[row, 3] = value
        return rows

    return edit


ROW_EDITS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "NaN in the first row": _with(0, np.nan),
    "NaN in the last row": _with(-1, np.nan),
    "infinity": _with(3, np.inf),
    "another number": _with(2, 1e3),
    "rows in another order": lambda rows: rows[::-1],
    "one row less": lambda rows: rows[:-1],
    "one row more": lambda rows: np.concatenate([rows, rows[:1]]),
    "no row": lambda rows: rows[:0],
    "fewer numbers": lambda rows: rows[:, :-1],
    "one vector": lambda rows: rows.reshape(-1),
    "a number": lambda rows: rows[0, 0],
    "whole numbers": lambda rows: rows.astype(np.int64),
    "complex numbers": lambda rows: rows.astype(np.complex64),
    "half precision": lambda rows: rows.astype(np.float16),
    "big endian": lambda rows: rows.astype(">f4"),
    "Fortran order": np.asfortranarray,
    "texts": lambda rows: rows.astype(str),
    "all zeros": np.zeros_like,
}
TEXT_EDITS = {
    "names in another order": (".txt", lambda text: "".join(sorted(text.splitlines(True), reverse=True))),
    "a name twice": (".txt", lambda text: text + text.splitlines(True)[0]),
    "another name": (".txt", lambda text: text.replace("001.png", "901.png")),
    "another resolution": (".json", lambda text: text.replace('"resolution": 32', '"resolution": 64')),
    "a resolution in words": (".json", lambda text: text.replace('"resolution": 32', '"resolution": "big"')),
    "no resolution": (".json", lambda text: text.replace('"resolution": 32,', "")),
    "a list": (".json", lambda text: "[1, 2]"),
    "a number for all": (".json", lambda text: "5"),
    "null": (".json", lambda text: "null"),
    "numbers for digests": (".json", lambda text: json.dumps(dict.fromkeys(json.loads(text), 1))),
    "too much": (".json", lambda text: json.dumps(json.loads(text) | dict(more=1))),
    "not UTF-8": (".txt", lambda text: text + "\udcff"),
}


def features(bench: Path, folder: Path, number: int, rng: Random) -> Case:
    """A table of features, its names and its origin, in training."""
    data, table, right = distilling(bench)
    path = folder / "mutated.npy"
    for suffix in {*SUFFIXES}:
        shutil.copy2(table.with_suffix(suffix), path.with_suffix(suffix))
    edits = [*ROW_EDITS, *TEXT_EDITS, "a program in an array"]
    if number < len(edits):
        name = edits[number]
        _edit_table(path, name, folder.parent / "EXECUTED")
    else:
        target = path.with_suffix(SUFFIXES[number % len(SUFFIXES)])
        name, changed = fault(target.read_bytes(), number // len(SUFFIXES), rng)
        target.write_bytes(changed)
        name = f"{target.suffix}: {name}"
    config = _distilling_config(folder / "small.py", data, path)

    def judge(said: Said) -> Outcome:
        same = small_run.equal_weights(folder / "run" / "iter_1.pth", right)
        return Outcome.HARMLESS if same else Outcome.WRONG

    return Case(name, train, [config, "--work-dir", folder / "run"], ("mutated", "features"), judge)


def _edit_table(path: Path, name: str, mark: Path) -> None:
    if name in ROW_EDITS:
        np.save(path, ROW_EDITS[name](np.load(path)))
    elif name in TEXT_EDITS:
        suffix, edit = TEXT_EDITS[name]
        target = path.with_suffix(suffix)
        target.write_text(edit(target.read_text()), errors="surrogateescape")
    else:
        rows = np.empty(8, dtype=object)
        rows[:] = Payload(exec, f"open({str(mark)!r}, 'w')")
        np.save(path, rows, allow_pickle=True)


@cache
def kept(bench: Path) -> tuple[Path, dict]:
    """Statistics of the real images, and the metrics that come of them."""
    cache_folder, source = bench / "kept", bench / "measured"
    source.mkdir()
    feature_metric.MMAGIC_CACHE_DIR = str(cache_folder)
    samples = write_samples(source, 0)
    enter(evaluate_folder, [samples, *statistics_argv(bench), "--out", source / "out"])
    return samples, json.loads((source / "out" / "metrics.json").read_text())["metrics"]


def statistics_argv(bench: Path) -> list[object]:
    """Arguments of a measurement with all metrics that keep statistics."""
    fixed = measuring(bench)
    return [*fixed[: fixed.index("--metrics")], "--metrics", "fid", "kid", "pr"]


STATISTICS_EDITS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "NaN": lambda array: np.full_like(array, np.nan),
    "infinity": lambda array: np.full_like(array, np.inf),
    "another shape": lambda array: array[..., :-1],
    "one dimension more": lambda array: array[None],
    "a number": lambda array: np.float64(1.0),
    "whole numbers": lambda array: array.astype(np.int64),
    "texts": lambda array: array.astype(str),
    "none": lambda array: array[:0],
}


def statistics(bench: Path, folder: Path, number: int, rng: Random) -> Case:
    """Kept statistics of real images: made anew, with a word, or refused."""
    samples, right = kept(bench)
    cache_folder = folder / "cache"
    shutil.copytree(bench / "kept", cache_folder)
    feature_metric.MMAGIC_CACHE_DIR = str(cache_folder)
    paths = sorted(cache_folder.rglob("*.npz"))
    path = paths[number % len(paths)]
    if number % 2:
        name, changed = fault(path.read_bytes(), number // 2, rng)
        path.write_bytes(changed)
    else:
        name = _edit_statistics(path, number // 2 // len(paths), folder.parent / "EXECUTED")

    def judge(said: Said) -> Outcome:
        got = json.loads((folder / "out" / "metrics.json").read_text())["metrics"]
        return Outcome.HARMLESS if got == right else Outcome.WRONG

    argv = [samples, *statistics_argv(bench), "--out", folder / "out"]
    return Case(f"{path.name}: {name}", evaluate_folder, argv, (path.stem,), judge)


def _edit_statistics(path: Path, turn: int, mark: Path) -> str:
    with np.load(path) as stored:
        arrays = dict(stored)
    names = [*STATISTICS_EDITS, "missing", "a program in an array"]
    name = names[turn % len(names)]
    # The digest is a text, which edits of numbers do not fit.
    keys = [key for key in sorted(arrays) if arrays[key].ndim or name not in STATISTICS_EDITS]
    key = keys[turn % len(keys)]
    if name == "missing":
        del arrays[key]
    elif name in STATISTICS_EDITS:
        arrays[key] = STATISTICS_EDITS[name](arrays[key])
    else:
        arrays[key] = np.array([Payload(exec, f"open({str(mark)!r}, 'w')")], dtype=object)
    np.savez(path, **arrays)
    return f"{name}: {key}"


LABELS = [["a.png", 0], ["b.png", 1], ["c.png", 1], ["d.png", 2]]
LABEL_FILES = {
    "a fraction": [["a.png", 0.5], *LABELS[1:]],
    "NaN": [["a.png", float("nan")], *LABELS[1:]],
    "infinity": [["a.png", float("inf")], *LABELS[1:]],
    "a text": [["a.png", "1"], *LABELS[1:]],
    "true": [["a.png", True], *LABELS[1:]],
    "negative": [["a.png", -1], *LABELS[1:]],
    "a billion": [["a.png", 10**9], *LABELS[1:]],
    "a huge number": [["a.png", 10**400], *LABELS[1:]],
    "two labels": [*LABELS, ["a.png", 2]],
    "no labels for some": [["a.png", None], *LABELS[1:]],
    "three values": [["a.png", 0, 1], *LABELS[1:]],
    "a number for a name": [[1, 0], *LABELS[1:]],
    "vectors": [["a.png", [0, 1]], *LABELS[1:]],
    "cameras of NaN": [[name, [float("nan")] * 25] for name, _ in LABELS],
    "a number for labels": 3,
    "a text for labels": "labels",
    "a missing image": LABELS[1:],
}
LABEL_TEXTS = {
    "deep nesting": '{"labels": ' + "[" * 100_000 + "]" * 100_000 + "}",
    "a list": "[]",
    "other keys": '{"label": []}',
    "two values": '{"labels": []} {"labels": []}',
    "UTF-16": '{"labels": null}',
}


def labels(bench: Path, folder: Path, number: int, rng: Random) -> Case:
    """A list of labels beside photos, prepared."""
    photos = folder / "photos"
    photos.mkdir()
    for i, (name, _) in enumerate(LABELS):
        picture(i).save(photos / name)
    path = photos / "dataset.json"
    path.write_text(json.dumps(dict(labels=LABELS)))
    enter(prepare_photos, [photos, folder / "wanted", "--resolution", 8])
    if number < len(LABEL_FILES):
        name, content = list(LABEL_FILES.items())[number]
        path.write_text(json.dumps(dict(labels=content)))
    elif number - len(LABEL_FILES) < len(LABEL_TEXTS):
        name, text = list(LABEL_TEXTS.items())[number - len(LABEL_FILES)]
        path.write_text(text, encoding="utf-16" if name == "UTF-16" else "utf-8")
    else:
        name, changed = fault(path.read_bytes(), number, rng)
        path.write_bytes(changed)

    def judge(said: Said) -> Outcome:
        got, wanted = (sorted(_names(folder / out)) for out in ("out", "wanted"))
        if got == wanted:
            return Outcome.HARMLESS
        if "left out, as not in a class" in said.text or "which are not used" in said.text:
            return Outcome.REFUSED
        found = json.loads(path.read_text(encoding="utf-8-sig"))["labels"]
        return Outcome.UNKNOWABLE if all(type(label) is int for _, label in found) else Outcome.WRONG

    return Case(name, prepare_photos, [photos, folder / "out", "--resolution", 8], ("dataset.json",), judge)


def _names(folder: Path) -> list[str]:
    return [str(path.relative_to(folder)) for path in folder.rglob("*.png")]


@cache
def scenes(bench: Path) -> Path:
    """A small data set of procedural scenes."""
    enter(make_toy_scenes, [bench / "scenes", *_scenes_argv()])
    return bench / "scenes"


def _scenes_argv() -> list[object]:
    return ["--num", 2, "--resolution", 8, "--workers", 1]


def account(bench: Path, folder: Path, number: int, rng: Random) -> Case:
    """The meta.json of procedural scenes, by which --overwrite knows what it may remove."""
    shutil.copytree(scenes(bench), folder / "mutated")
    path = folder / "mutated" / "meta.json"
    texts = ("[]", "3", "null", '"text"', "{}", '{"generator": 5}')
    if number < len(texts):
        name = texts[number]
        path.write_text(name)
    else:
        name, changed = fault(path.read_bytes(), number, rng)
        path.write_bytes(changed)

    def judge(said: Said) -> Outcome:
        # Made anew, and the same, if it was still seen to be one.
        same = path.read_bytes() == (scenes(bench) / "meta.json").read_bytes()
        return Outcome.HARMLESS if same else Outcome.WRONG

    argv = [folder / "mutated", *_scenes_argv(), "--overwrite"]
    return Case(name, make_toy_scenes, argv, ("mutated",), judge)
