"""Plots what a training run logged: `python tools/plot_logs.py work_dirs/3dgp_toy64`.

Reads every `vis_data/scalars.json` under the work folder (a resumed run has several) and draws one
panel per kind of value into `curves.png`. Works on a run that is still going.
"""

import argparse
import json
import math
import os
import sys
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
from matplotlib.axes import Axes

Curve = dict[int, float]

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


def draw_panel(axes: Axes, title: str, curves: Mapping[str, Curve]) -> None:
    """Draws the curves of one panel; wide positive ranges get a logarithmic axis."""
    for name, curve in curves.items():
        steps = sorted(curve)
        marker = "." if len(steps) < 20 else None
        axes.plot(steps, [curve[step] for step in steps], marker=marker, linewidth=1, label=name)
    values = [value for curve in curves.values() for value in curve.values()]
    if min(values) > 0 and max(values) / min(values) > 100:
        axes.set_yscale("log")
    axes.set(title=title, xlabel="iteration")
    axes.grid(alpha=0.3)
    columns = math.ceil(len(curves) / LEGEND_ROWS)
    axes.legend(fontsize=6, ncols=columns, loc="upper left", bbox_to_anchor=(1.0, 1.0))


def plot_curves(curves: Mapping[str, Curve], path: Path) -> None:
    """Draws all curves into one picture.

    Args:
        curves: Value by step for every name.
        path: The picture to write; replaced as a whole.

    Raises:
        ValueError: There is nothing to draw.
    """
    groups = group_by_panel(curves)
    if not groups:
        raise ValueError("the logs hold no numbers yet")
    columns = 1 if len(groups) == 1 else 2
    rows = math.ceil(len(groups) / columns)
    figure, grid = plt.subplots(
        rows, columns, figsize=(8 * columns, 3 * rows), squeeze=False, layout="constrained"
    )
    for axes, (title, group) in zip(grid.flat, groups.items(), strict=False):
        draw_panel(axes, title, group)
    for axes in grid.flat[len(groups) :]:
        axes.set_axis_off()
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f".{path.stem}.{os.getpid()}{path.suffix}")
    figure.savefig(unfinished, dpi=120)
    plt.close(figure)
    os.replace(unfinished, path)


def main(argv: Sequence[str] | None = None) -> None:
    """Plots the run of the command line and prints the picture's path."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("work_dir", type=Path, help="work folder of a training run")
    parser.add_argument("--out", type=Path, help="the picture (default: WORK_DIR/curves.png)")
    args = parser.parse_args(argv)
    out = args.out or args.work_dir / "curves.png"
    try:
        plot_curves(collect_curves(read_records(find_logs(args.work_dir))), out)
    except (FileNotFoundError, ValueError) as error:
        parser.error(str(error))
    print(f"curves: {out}")


if __name__ == "__main__":
    main()
