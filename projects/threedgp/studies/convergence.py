"""Study 2: does distillation speed up convergence? FID against images seen, without it, with L2, with KL.

python tools/studies/prepare.py data/toy32
python tools/studies/convergence.py data/toy32 work_dirs/learning

For 3DGP and for the toolkit's StyleGAN2. Shares the runs of learns_3d.py in the same OUT. Writes
convergence.csv (FID of each run after each validation), convergence_3d.png, convergence_2d.png, and
convergence.md: the FID of each arm at the end, and how many images it took to reach what the arm without
distillation reached.
"""

import argparse
import csv
import io
from collections.abc import Sequence

import numpy as np

from ..whole_files import write_text
from .arms import CONVERGENCE_2D, CONVERGENCE_3D
from .command import add_study_arguments, chosen_size
from .measures import FID
from .plots import plot_curves
from .runs import Arm, Run, execute, plan

FAMILIES = {"3d": ("3DGP", CONVERGENCE_3D), "2d": ("StyleGAN2", CONVERGENCE_2D)}
Curve = tuple[list[float], list[float]]


def main(argv: Sequence[str] | None = None) -> None:
    """Run the study."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add_study_arguments(parser)
    parser.add_argument(
        "--families", nargs="+", choices=FAMILIES, default=list(FAMILIES), help="default: all"
    )
    args = parser.parse_args(argv)
    families = {name: FAMILIES[name] for name in args.families}
    arms = [arm for _, members in families.values() for arm in members]
    runs = plan(arms, args.seeds, args.out)
    execute(runs, args.data, chosen_size(args), args.jobs)
    write_text(args.out / "convergence.csv", curves_csv(runs))
    sections = []
    for name, (title, members) in families.items():
        of_family = [run for run in runs if run.arm in members]
        plot_curves(args.out / f"convergence_{name}.png", of_family, FID.key, f"{FID.title}, {title}")
        sections.append(family_markdown(title, members, of_family))
    write_text(args.out / "convergence.md", "\n".join(sections))
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
