"""Study 6: the systems of the results table on procedural scenes, at equal numbers of images."""

from collections.abc import Iterator, Sequence
from itertools import combinations
from pathlib import Path

from ..errors import UserError
from .measures import DEPTH_ERROR, DIVERSITY, FID, FLATNESS, FOV, IS, PITCH, VIEWS, YAW
from .published import PublishedRow, load_published
from .runs import ROOT, Arm, Run, arms_of, execute, plan
from .sizes import Size
from .tables import Claim, Measure, range_cell, write_tables

SUFFIX = "_toy32"
SPEED = Measure("cost/seconds_per_kimg", "s / kimg ↓", 0)
MEMORY = Measure("cost/peak_memory_gb", "memory, GiB ↓", 2)
GENERATOR = Measure("cost/generator", "parameters of G, thousands", 0)
DISCRIMINATOR = Measure("cost/discriminator", "parameters of D, thousands", 0)
MEASURES = (
    *(FID, IS, DEPTH_ERROR, VIEWS, YAW, PITCH, FOV, DIVERSITY, FLATNESS),
    *(SPEED, MEMORY, GENERATOR, DISCRIMINATOR),
)


def run(
    action: str,
    data: Path,
    out: Path,
    configs: Sequence[str],
    seeds: Sequence[int],
    size: Size,
    jobs: int | None = None,
) -> None:
    """Run the study, or make its tables of what is finished.

    Args:
        action: ``run`` or ``table``.
        data: Folder that ``prepare.py`` made.
        out: Folder of the runs and tables.
        configs: Names of configs.
        seeds: Seeds of each.
        size: How long runs are.
        jobs: Runs at a time.

    Raises:
        UserError: If no run is finished, or finished ones saw different numbers of images.
    """
    runs = plan(systems(configs), seeds, out)
    if action == "run":
        execute(runs, data, size, jobs or 1)
    finished = [run for run in runs if run.metrics_path.is_file()]
    if not finished:
        raise UserError(f"{out}: no finished run of {', '.join(configs)}")
    check_lengths(finished)
    write_tables(out, finished, MEASURES, claims_of(finished), range_cell)
    for name in ("table.md", "claims.md"):
        print((out / name).read_text())
    for run in runs:
        if run not in finished:
            print(f"not finished: {run.folder}")


def check_lengths(runs: Sequence[Run]) -> None:
    """Refuse to compare runs of different length.

    Args:
        runs: Finished runs.

    Raises:
        UserError: If they did not see equal numbers of images.
    """
    lengths = {run.kimg(): run.folder.name for run in runs}
    if len(lengths) > 1:
        found = ", ".join(f"{name} saw {kimg:g} kimg" for kimg, name in sorted(lengths.items()))
        raise UserError(f"runs: {found}; wanted equal numbers of images")


def systems(names: Sequence[str]) -> list[Arm]:
    """The systems of some configs.

    Args:
        names: Names of configs.

    Raises:
        UserError: If there is no such config.
    """
    arms = []
    for name in names:
        config = f"configs/{name.removesuffix('.py')}.py"
        if not (ROOT / config).is_file():
            known = sorted(path.stem for path in (ROOT / "configs").glob(f"*{SUFFIX}.py"))
            raise UserError(f"CONFIG {name}: no {config}, wanted some of {', '.join(known)}")
        stem = name.removesuffix(".py")
        row = published_row(stem)
        arms.append(Arm(stem, row.title if row else stem, config=config))
    return arms


def published_row(config: str) -> PublishedRow | None:
    """The published numbers of the system that a config trains small; None if there are none."""
    name = config.removesuffix(SUFFIX)
    return next((row for row in load_published()[0].rows if row.name == name), None)


def claims_of(runs: Sequence[Run]) -> list[Claim]:
    """Each ordering of two systems in the published table, by FID and by Inception score."""
    return [claim for pair in combinations(arms_of(runs), 2) for claim in _orderings(*pair)]


def _orderings(first: Arm, second: Arm) -> Iterator[Claim]:
    rows = [published_row(arm.name) for arm in (first, second)]
    for field, measure, larger in (("fid", FID, False), ("is_", IS, True)):
        published = [getattr(row, field, "") for row in rows]
        if not all(published):
            continue
        ranked = sorted(zip(published, (first, second), strict=True), key=lambda each: float(each[0]))
        (best, better), (next_best, worse) = ranked[::-1] if larger else ranked
        text = f"{better.title} before {worse.title}, published {best} and {next_best}"
        yield Claim(text, better, worse, measure, larger)
