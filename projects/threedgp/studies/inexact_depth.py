"""Study 4: when does the depth adaptor help? Models with it and without, on depth of growing inexactness."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np

from .arms import FULL, INEXACTNESS, RAW_DEPTH, Arm, with_inexactness
from .measures import DEPTH_ERROR, FID, VIEWS, WRONG_ORDER
from .plots import save_figure
from .runs import Run, execute, plan
from .sizes import Size
from .tables import Claim, Measure, values_of, write_tables

MEASURES = (FID, DEPTH_ERROR, WRONG_ORDER, VIEWS)
LEVELS = sorted({1, *INEXACTNESS})
ARMS: Mapping[str, Sequence[Arm]] = {
    arm.title: [arm if level == 1 else with_inexactness(arm, level) for level in LEVELS]
    for arm in (FULL, RAW_DEPTH)
}
CLAIMS = [
    Claim(f"the adaptor helps at inexactness {level}: {what}", adapted, raw, measure)
    for what, measure in (("images", FID), ("geometry", DEPTH_ERROR))
    for level, adapted, raw in zip(LEVELS, *ARMS.values(), strict=True)
]


def run(data: Path, out: Path, seeds: Sequence[int], size: Size, jobs: int | None) -> None:
    """Run the study.

    Args:
        data: The folder of tools/studies/prepare.py.
        out: Where the runs and the results go.
        seeds: A run of every arm for each.
        size: How long the runs are.
        jobs: Runs at a time; None for the size's.
    """
    runs = plan([arm for arms in ARMS.values() for arm in arms], seeds, out)
    execute(runs, data, size, jobs)
    results = out / "inexact_depth"
    write_tables(results, runs, MEASURES, CLAIMS)
    plot_levels(results / "curves.png", runs, (FID, DEPTH_ERROR))
    print((results / "table.md").read_text())
    print((results / "claims.md").read_text())


def plot_levels(path: Path, runs: Sequence[Run], measures: Sequence[Measure]) -> None:
    """Draw measures against inexactness: a line through the means of each model, a point for each seed."""
    figure, panels = plt.subplots(
        1, len(measures), figsize=(4 * len(measures), 3), squeeze=False, layout="constrained"
    )
    for axes, measure in zip(panels[0], measures, strict=True):
        for colour, (title, arms) in enumerate(ARMS.items()):
            values = [list(values_of(runs, arm, measure).values()) for arm in arms]
            axes.plot(LEVELS, [np.mean(each) for each in values], color=f"C{colour}", label=title)
            for level, each in zip(LEVELS, values, strict=True):
                axes.plot([level] * len(each), each, ".", color=f"C{colour}")
        axes.set(xlabel="inexactness of the depth", ylabel=measure.title, xticks=LEVELS)
    panels[0, 0].legend(fontsize="small")
    save_figure(figure, path)
