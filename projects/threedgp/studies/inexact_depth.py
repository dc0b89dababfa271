"""Study 4: when does the depth adaptor help? Models with it and without, on depth of growing inexactness.

python tools/studies/prepare.py data/toy32
python tools/studies/inexact_depth.py data/toy32 work_dirs/learning

Inexactness is a factor on the errors of the depth (bent values, moved content, blur, smooth error); at 0
scale and shift are still lost, and 5 % of the maps useless. Shares the runs of learns_3d.py in the same OUT:
the depth of the scenes has inexactness 1. Writes into OUT/inexact_depth runs.csv (a line for each run),
table.md, claims.md (the adaptor's advantage, seed by seed) and curves.png.
"""

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np

from .arms import FULL, INEXACTNESS, RAW_DEPTH, with_inexactness
from .command import add_study_arguments, chosen_size
from .measures import DEPTH_ERROR, FID, VIEWS, WRONG_ORDER
from .plots import save_figure
from .runs import Arm, Run, execute, plan
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


def main(argv: Sequence[str] | None = None) -> None:
    """Run the study."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add_study_arguments(parser)
    args = parser.parse_args(argv)
    runs = plan([arm for arms in ARMS.values() for arm in arms], args.seeds, args.out)
    execute(runs, args.data, chosen_size(args), args.jobs)
    out = args.out / "inexact_depth"
    write_tables(out, runs, MEASURES, CLAIMS)
    plot_levels(out / "curves.png", runs, (FID, DEPTH_ERROR))
    print((out / "table.md").read_text())
    print((out / "claims.md").read_text())


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
