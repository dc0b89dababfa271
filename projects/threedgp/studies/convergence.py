"""Study 2: does distillation speed up convergence? FID against images seen, without it, with L2, with KL."""

import csv
import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ..whole_files import write_text
from .arms import FAMILIES, Arm
from .measures import FID
from .plots import plot_curves
from .runs import Run, execute, plan
from .sizes import Size

Curve = tuple[list[float], list[float]]


def run(
    data: Path, out: Path, seeds: Sequence[int], size: Size, jobs: int | None, names: Sequence[str]
) -> None:
    """Run the study.

    Args:
        data: The folder of tools/studies/prepare.py.
        out: Where the runs and the results go.
        seeds: A run of every arm for each.
        size: How long the runs are.
        jobs: Runs at a time; None for the size's.
        names: Which of ``FAMILIES``.
    """
    families = {name: FAMILIES[name] for name in names}
    runs = plan([arm for _, members in families.values() for arm in members], seeds, out)
    execute(runs, data, size, jobs)
    write_text(out / "convergence.csv", curves_csv(runs))
    sections = []
    for name, (title, members) in families.items():
        of_family = [run for run in runs if run.arm in members]
        plot_curves(out / f"convergence_{name}.png", of_family, FID.key, f"{FID.title}, {title}")
        sections.append(family_markdown(title, members, of_family))
    write_text(out / "convergence.md", "\n".join(sections))
    print("\n".join(sections))


def curves_csv(runs: Sequence[Run]) -> str:
    """One line for each validation of each run."""
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(["arm", "seed", "kimg", FID.key])
    for run in runs:
        table.writerows([run.arm.name, run.seed, *point] for point in zip(*run.curve(FID.key), strict=True))
    return text.getvalue()


def family_markdown(title: str, arms: Sequence[Arm], runs: Sequence[Run]) -> str:
    """Final FID and speed-up of each arm; the first arm is the one without distillation."""
    lines = [
        f"| {title} | seed | FID at the end | mean FID of all points | images to reach the first's last |"
    ]
    lines.append("|---|--:|--:|--:|--:|")
    for run in runs:
        baseline = next(each for each in runs if each.arm == arms[0] and each.seed == run.seed)
        curve = run.curve(FID.key)
        reached = kimg_to_reach(curve, baseline.curve(FID.key)[1][-1])
        shown = "not reached" if reached is None else f"{reached:.1f} kimg"
        numbers = f"{curve[1][-1]:.2f} | {np.mean(curve[1]):.2f}"
        lines.append(f"| {run.arm.title} | {run.seed} | {numbers} | {shown} |")
    return "\n".join(lines) + "\n"


def kimg_to_reach(curve: Curve, target: float) -> float | None:
    """Thousands of images after which a curve, linear between its points, first is at most ``target``."""
    previous: tuple[float, float] | None = None
    for kimg, value in zip(*curve, strict=True):
        if value <= target:
            if previous is None:
                return kimg
            share = (previous[1] - target) / (previous[1] - value)
            return previous[0] + share * (kimg - previous[0])
        previous = kimg, value
    return None
