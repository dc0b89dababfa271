"""How long the runs of a study are; imports nothing heavy, since the command line offers them."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Size:
    """How long and how wide the runs of a study are.

    Args:
        kimg: Training of each run, thousands of images.
        val_interval_kimg: Thousands of images between two points of a convergence curve.
        batch_size: Images of a step.
        jobs: Runs at a time.
    """

    kimg: float
    val_interval_kimg: float
    batch_size: int
    jobs: int


# Twelve to twenty runs: about an hour on two CPU cores; on one GPU meant for 25 minutes.
SIZES: Mapping[str, Size] = {
    "smoke": Size(kimg=0.032, val_interval_kimg=0.016, batch_size=8, jobs=2),
    "cpu": Size(kimg=8, val_interval_kimg=2, batch_size=8, jobs=2),
    "gpu": Size(kimg=96, val_interval_kimg=9.6, batch_size=32, jobs=6),
}
