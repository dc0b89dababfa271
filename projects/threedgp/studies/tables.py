"""Tables of a study: a row for each run (CSV) or arm (Markdown), and what became of its claims."""

import csv
import io
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from ..whole_files import write_text
from .arms import Arm
from .runs import Run, arms_of

CellText = Callable[[dict[int, float], int], str]
"""What a table shows of the values of some seeds, with so many digits after the point."""


@dataclass(frozen=True)
class Measure:
    """A column.

    Args:
        key: Name of the metric in metrics.json.
        title: Head of the column; an arrow says which way is better.
        digits: Digits after the point.
    """

    key: str
    title: str
    digits: int = 2


@dataclass(frozen=True)
class Claim:
    """That one arm is better than another in one measure.

    Args:
        text: The claim in words.
        better: The arm that should be better.
        worse: The other one.
        measure: What is compared.
        larger: A larger value is better.
    """

    text: str
    better: Arm
    worse: Arm
    measure: Measure
    larger: bool = False


def values_of(runs: Sequence[Run], arm: Arm, measure: Measure) -> dict[int, float]:
    """The measure of each seed of an arm; seeds without it are left out."""
    found = {run.seed: run.values().get(measure.key) for run in runs if run.arm.name == arm.name}
    return {seed: value for seed, value in sorted(found.items()) if value is not None}


def runs_csv(runs: Sequence[Run], measures: Sequence[Measure]) -> str:
    """One line for each run."""
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(["arm", "seed", "kimg", "training_seconds", *(measure.key for measure in measures)])
    for run in runs:
        values = run.values()
        row = [values.get(measure.key, "") for measure in measures]
        table.writerow([run.arm.name, run.seed, f"{run.kimg():g}", f"{run.training_seconds():.0f}", *row])
    return text.getvalue()


def cell(values: dict[int, float], digits: int) -> str:
    """The mean of some seeds, and each of them if they are several."""
    if not values:
        return "–"
    mean = f"{statistics.fmean(values.values()):.{digits}f}"
    if len(values) == 1:
        return mean
    return f"{mean} ({', '.join(f'{value:.{digits}f}' for value in values.values())})"


def range_cell(values: dict[int, float], digits: int) -> str:
    """The mean of some seeds, and the least and the largest of them if they are several."""
    if len(values) < 2:
        return cell(values, digits)
    low, mean, high = (f(values.values()) for f in (min, statistics.fmean, max))
    return f"{mean:.{digits}f} ({low:.{digits}f} to {high:.{digits}f})"


def arms_markdown(runs: Sequence[Run], measures: Sequence[Measure], show: CellText = cell) -> str:
    """One line for each arm, with what ``show`` makes of its seeds.

    Args:
        runs: Finished runs.
        measures: The columns.
        show: What makes the text of a cell, ``cell`` or ``range_cell``.
    """
    lines = ["| " + " | ".join(["model", *(measure.title for measure in measures)]) + " |"]
    lines.append("|---|" + "--:|" * len(measures))
    for arm in arms_of(runs):
        cells = [show(values_of(runs, arm, measure), measure.digits) for measure in measures]
        lines.append("| " + " | ".join([arm.title, *cells]) + " |")
    return "\n".join(lines) + "\n"


def claims_markdown(runs: Sequence[Run], claims: Sequence[Claim]) -> str:
    """For each claim the difference of each seed, and in how many of them it has the right sign."""
    lines = ["| claim | measure | difference by seed | seen in |", "|---|---|--:|--:|"]
    for claim in claims:
        gains = gains_of(runs, claim)
        shown = ", ".join(f"{gain:+.{claim.measure.digits}f}" for gain in gains) or "–"
        seen = f"{sum(gain > 0 for gain in gains)} of {len(gains)}"
        pair = f"{claim.measure.title}: {claim.better.title} against {claim.worse.title}"
        lines.append(f"| {claim.text} | {pair} | {shown} | {seen} |")
    return "\n".join(lines) + "\n"


def gains_of(runs: Sequence[Run], claim: Claim) -> list[float]:
    """By how much the better arm is better, for each seed that both arms have."""
    better, worse = (values_of(runs, arm, claim.measure) for arm in (claim.better, claim.worse))
    larger, smaller = (better, worse) if claim.larger else (worse, better)
    return [larger[seed] - smaller[seed] for seed in better if seed in worse]


def write_tables(
    out: Path,
    runs: Sequence[Run],
    measures: Sequence[Measure],
    claims: Sequence[Claim],
    show: CellText = cell,
) -> None:
    """Write runs.csv, table.md and claims.md."""
    write_text(out / "runs.csv", runs_csv(runs, measures))
    write_text(out / "table.md", arms_markdown(runs, measures, show))
    write_text(out / "claims.md", claims_markdown(runs, claims))
