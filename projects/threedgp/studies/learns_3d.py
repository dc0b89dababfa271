"""Study 1: does it learn 3D? The full model against models that lack one of its ideas each.

python tools/studies/prepare.py data/toy32
python tools/studies/learns_3d.py data/toy32 work_dirs/learning

Trains every model with every seed, evaluates it, and writes into OUT: runs.csv (a line for each run),
table.md (a line for each model), claims.md (each claim of the paper, seed by seed), curves.png, cameras.png
and samples.png. An interrupted study goes on where it was; finished runs are not done again.
"""

import argparse
from collections.abc import Sequence

from .arms import (
    ABLATIONS,
    EMD_REGULARIZER,
    FIXED_CAMERAS,
    FULL,
    NO_DEPTH,
    NO_DISTILLATION_3D,
    NO_REGULARIZER,
    RAW_DEPTH,
)
from .command import add_study_arguments, chosen_size
from .measures import (
    DEPTH_ERROR,
    DIVERSITY,
    FID,
    FLATNESS,
    FOV,
    IS,
    PITCH,
    VIEWS,
    WRONG_ORDER,
    YAW,
    YAW_SPREAD,
)
from .plots import plot_cameras, plot_curves, sample_grid
from .runs import execute, plan
from .tables import Claim, write_tables

MEASURES = (
    FID,
    IS,
    FLATNESS,
    DEPTH_ERROR,
    WRONG_ORDER,
    YAW,
    PITCH,
    FOV,
    YAW_SPREAD,
    VIEWS,
    DIVERSITY,
)
CLAIMS = (
    Claim("the adaptor beats raw inexact depth: images", FULL, RAW_DEPTH, FID),
    Claim("the adaptor beats raw inexact depth: geometry", FULL, RAW_DEPTH, DEPTH_ERROR),
    Claim("depth lowers flatness", FULL, NO_DEPTH, FLATNESS, larger=True),
    Claim("depth improves geometry", FULL, NO_DEPTH, DEPTH_ERROR),
    Claim("cameras move from the prior to the truth: yaw", FULL, FIXED_CAMERAS, YAW),
    Claim("cameras move from the prior to the truth: pitch", FULL, FIXED_CAMERAS, PITCH),
    Claim("cameras move from the prior to the truth: field of view", FULL, FIXED_CAMERAS, FOV),
    Claim("learned cameras improve images", FULL, FIXED_CAMERAS, FID),
    Claim("the regulariser prevents collapse: spread", FULL, NO_REGULARIZER, YAW_SPREAD, larger=True),
    Claim("the regulariser prevents collapse: distance", FULL, NO_REGULARIZER, YAW),
    Claim("the paper's regulariser beats the release's within a class", FULL, EMD_REGULARIZER, YAW),
    Claim("distillation improves images", FULL, NO_DISTILLATION_3D, FID),
)


def main(argv: Sequence[str] | None = None) -> None:
    """Run the study."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add_study_arguments(parser)
    args = parser.parse_args(argv)
    runs = plan(ABLATIONS, args.seeds, args.out)
    execute(runs, args.data, chosen_size(args), args.jobs)
    write_tables(args.out, runs, MEASURES, CLAIMS)
    plot_curves(args.out / "curves.png", runs, FID.key, FID.title)
    plot_cameras(args.out / "cameras.png", runs, args.data / "cameras.npy")
    sample_grid(args.out / "samples.png", [run for run in runs if run.seed == args.seeds[0]])
    print((args.out / "table.md").read_text())
    print((args.out / "claims.md").read_text())
