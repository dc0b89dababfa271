"""Study 1: does it learn 3D? The full model against models that lack one of its ideas each."""

from collections.abc import Sequence
from pathlib import Path

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
from .sizes import Size
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


def run(data: Path, out: Path, seeds: Sequence[int], size: Size, jobs: int | None) -> None:
    """Run the study.

    Args:
        data: The folder of tools/studies/prepare.py.
        out: Where the runs and the results go.
        seeds: A run of every arm for each.
        size: How long the runs are.
        jobs: Runs at a time; None for the size's.
    """
    runs = plan(ABLATIONS, seeds, out)
    execute(runs, data, size, jobs)
    write_tables(out, runs, MEASURES, CLAIMS)
    plot_curves(out / "curves.png", runs, FID.key, FID.title)
    plot_cameras(out / "cameras.png", runs, data / "cameras.npy")
    sample_grid(out / "samples.png", [run for run in runs if run.seed == seeds[0]])
    print((out / "table.md").read_text())
    print((out / "claims.md").read_text())
