"""The curves of a training run, from the toolkit's scalar logs to one picture."""

import json
import math
import sys
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ..rendering import CAMERA_FIELDS
from ..whole_files import whole_file

Curve = dict[int, float]
"""Value by iteration."""
Placing = Callable[[Iterable[int]], Any]
"""Where iterations lie on the horizontal axis."""


# A value belongs to the first panel whose word its name contains.
PANELS: Mapping[str, tuple[str, ...]] = {
    "Metrics": ("fid", "is/", "inception", "precision", "recall", "swd", "ssim", "ppl", "nfs"),
    "Gradient norms": ("grad",),
    "Logits": ("logit", "score", "pred_real", "pred_fake"),
    "Losses": ("loss",),
    "Cameras": ("camera", "fov", "yaw", "pitch", "roll", "radius", "look_at", "lookat"),
    "Schedules": ("schedule", "beta", "sigma", "weight", "lr", "prob", "noise", "fade", "momentum"),
    "Speed and memory": ("time", "memory", "images_per", "per_s", "eta"),
}
OTHERS = "Others"
NO_CURVES = frozenset({"step", "iter", "epoch"})
LEGEND_ROWS = 12
UNITS = {
    "yaw": "yaw (rad)",
    "pitch": "pitch (rad)",
    "fov_deg": "field of view (degrees)",
    "radius": "radius",
    "look_at_yaw": "yaw of the point looked at (rad)",
    "look_at_pitch": "pitch of the point looked at (rad)",
    "look_at_radius": "distance of the point looked at from the middle",
}


def find_logs(work_dir: Path) -> list[Path]:
    """The runs' scalar logs under a work folder, oldest first (their folders are named by time).

    Raises:
        FileNotFoundError: There is none.
    """
    logs = sorted(work_dir.glob("*/vis_data/scalars.json")) or sorted(work_dir.glob("vis_data/scalars.json"))
    if not logs:
        raise FileNotFoundError(f"no */vis_data/scalars.json in {work_dir}: has a training run begun?")
    return logs


def read_records(logs: Iterable[Path]) -> list[dict]:
    """The records of the logs in order; a line cut off by a crash is left out, and said so.

    A log replaces all that earlier ones have from its first step on: what a resumed run does again, and
    another run that went to the same work folder.
    """
    records: list[dict] = []
    for path in logs:
        log = read_log(path)
        first = min((step for record in log if (step := step_of(record)) is not None), default=math.inf)
        records = [each for each in records if (step := step_of(each)) is None or step < first] + log
    return records


def read_log(path: Path) -> list[dict]:
    """The records of one log."""
    records = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        try:
            records.append(json.loads(line))
        except json.JSONDecodeError:
            print(f"{path}:{number}: not a JSON record, left out", file=sys.stderr)
    return records


def step_of(record: Mapping) -> int | None:
    """The step that a record is of; None if it does not tell."""
    step = record.get("step", record.get("iter"))
    return step if isinstance(step, int) else None


def collect_curves(records: Iterable[Mapping]) -> dict[str, Curve]:
    """Value by step for every name; a later record of the same step replaces an earlier one."""
    curves: defaultdict[str, Curve] = defaultdict(dict)
    for record in records:
        step = step_of(record)
        if step is None:
            continue
        for name, value in record.items():
            if name not in NO_CURVES and is_number(value):
                curves[name][step] = float(value)
    return dict(curves)


def is_number(value: object) -> bool:
    """True for a finite int or float that is no bool."""
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def panel_of(name: str) -> str:
    """The title of the panel a value is drawn in."""
    lower = name.lower()
    if lower.startswith("schedule/"):
        return "Schedules"
    for title, words in PANELS.items():
        if any(word in lower for word in words):
            return title
    return OTHERS


def group_by_panel(curves: Mapping[str, Curve]) -> dict[str, dict[str, Curve]]:
    """Curves by panel, in the order of `PANELS`, without empty panels."""
    groups: dict[str, dict[str, Curve]] = {title: {} for title in (*PANELS, OTHERS)}
    for name in sorted(curves):
        groups[panel_of(name)][name] = curves[name]
    return {title: group for title, group in groups.items() if group}


def kimg_of_steps(curves: Mapping[str, Curve]) -> Callable[[Iterable[int]], np.ndarray] | None:
    """How iterations become thousands of images, also between those that were logged; None if unknown."""
    known = curves.get("kimg", {})
    if len(known) < 2 or max(known.values()) == min(known.values()):
        return None
    steps = sorted(known)
    kimg = [known[step] for step in steps]
    # The model counts the images before a step, and validations come after the last one that is logged.
    rate = (kimg[-1] - kimg[0]) / (steps[-1] - steps[0])

    def convert(wanted: Iterable[int]) -> np.ndarray:
        x = np.asarray(list(wanted), dtype=float)
        return np.interp(x, steps, kimg) + rate * np.clip(x - steps[-1], 0, None)

    return convert


def draw_panel(axes: Axes, curves: Mapping[str, Curve], place: Placing) -> None:
    """Draw the curves of one panel; wide positive ranges get a logarithmic axis."""
    for name, curve in curves.items():
        steps = sorted(curve)
        marker = "." if len(steps) < 20 else None
        axes.plot(place(steps), [curve[step] for step in steps], marker=marker, linewidth=1, label=name)
    values = [value for curve in curves.values() for value in curve.values()]
    if min(values) > 0 and max(values) / min(values) > 100:
        axes.set_yscale("log")
    columns = math.ceil(len(curves) / LEGEND_ROWS)
    axes.legend(fontsize=6, ncols=columns, loc="upper left", bbox_to_anchor=(1.0, 1.0))


def draw_camera(axes: Axes, mean: Curve, deviation: Curve, place: Placing) -> None:
    """Draw the mean of a camera parameter within its standard deviation."""
    steps = sorted(mean.keys() & deviation.keys())
    middle, width = (np.array([curve[step] for step in steps]) for curve in (mean, deviation))
    axes.plot(place(steps), middle, marker="." if len(steps) < 20 else None, linewidth=1.5, label="mean")
    axes.fill_between(place(steps), middle - width, middle + width, alpha=0.25, label="± standard deviation")
    axes.legend(fontsize=6, loc="upper left", bbox_to_anchor=(1.0, 1.0))


def camera_curves(curves: Mapping[str, Curve]) -> dict[str, tuple[Curve, Curve]]:
    """Mean and standard deviation of each camera parameter that is logged and not fixed."""
    pairs = {
        name: (curves.get(f"camera/{name}_mean", {}), curves.get(f"camera/{name}_std", {}))
        for name in CAMERA_FIELDS
    }
    return {name: pair for name, pair in pairs.items() if pair[0] and any(pair[1].values())}


def plot_curves(curves: Mapping[str, Curve], path: Path) -> None:
    """Draw all curves into one picture.

    Args:
        curves: Value by step for every name.
        path: The picture to write; replaced as a whole.

    Raises:
        ValueError: There is nothing to draw.
    """
    convert = kimg_of_steps(curves)
    place = convert or list
    cameras = camera_curves(curves)
    shown = {
        name: curve for name, curve in curves.items() if not name.startswith("camera/") and name != "kimg"
    }
    groups = group_by_panel(shown)
    drawings: list[tuple[str, Callable[[Axes], None]]] = [
        *((title, partial(draw_panel, curves=group, place=place)) for title, group in groups.items()),
        *(
            (f"Camera: {UNITS.get(name, name)}", partial(draw_camera, mean=mean, deviation=std, place=place))
            for name, (mean, std) in cameras.items()
        ),
    ]
    if not drawings:
        raise ValueError("the logs hold no numbers yet")
    figure = _draw_all(drawings, "kimg" if convert else "iteration")
    with whole_file(path) as passing:
        figure.savefig(passing, dpi=120, format=path.suffix.removeprefix(".") or "png")


def _draw_all(drawings: Sequence[tuple[str, Callable[[Axes], None]]], unit: str) -> Figure:
    columns = min(len(drawings), 2)
    rows = math.ceil(len(drawings) / columns)
    figure = Figure(figsize=(8 * columns, 3 * rows), layout="constrained")
    grid = figure.subplots(rows, columns, squeeze=False)
    for axes, (title, draw) in zip(grid.flat, drawings, strict=False):
        draw(axes)
        axes.set(title=title, xlabel=unit)
        axes.grid(alpha=0.3)
    for axes in grid.flat[len(drawings) :]:
        axes.set_axis_off()
    return figure
