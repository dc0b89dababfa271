"""What was measured, as JSON and as tables."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np

from ..errors import UserError, blame
from .ratios import paired_ratio, slope, unpaired_ratio

STEP = "whole step"


@dataclass
class Measured:
    """What an arm took for a part.

    Args:
        part: The part.
        arm: The arm.
        group: The group of the part, which shares a process.
        images: Images that it makes or trains on.
        share: How often a training step does it.
        seconds: Of each repetition.
        peak_gb: Peak of the memory of the process up to then, GiB.
    """

    part: str
    arm: str
    group: str
    images: int
    share: float
    seconds: list[float] = field(default_factory=list)
    peak_gb: float = 0.0

    @property
    def median(self) -> float:
        """Median of the seconds."""
        return float(np.median(self.seconds))

    @property
    def spread(self) -> float:
        """Half of the distance of the quartiles, as a share of the median."""
        low, high = np.quantile(self.seconds, (0.25, 0.75))
        return float(high - low) / 2 / self.median


@dataclass(frozen=True)
class Results:
    """All that a run measured.

    Args:
        facts: What it says of itself.
        measured: Part by part and arm by arm.
    """

    facts: Mapping[str, str]
    measured: Sequence[Measured]

    @property
    def arms(self) -> list[str]:
        """Names of the arms, the one that others are compared with first."""
        return list(dict.fromkeys(each.arm for each in self.measured))

    @property
    def rows(self) -> dict[str, dict[str, Measured]]:
        """By part and arm, and of the parts of a training step the whole of it."""
        rows: dict[str, dict[str, Measured]] = {}
        for each in self.measured:
            rows.setdefault(each.part, {})[each.arm] = each
        steps = {arm: self._step(arm) for arm in self.arms}
        whole = {arm: step for arm, step in steps.items() if step is not None}
        return rows | ({STEP: whole} if whole else {})

    def _step(self, arm: str) -> Measured | None:
        parts = [each for each in self.measured if each.arm == arm and each.share]
        if not parts:
            return None
        seconds = np.sum([np.multiply(each.seconds, each.share) for each in parts], axis=0).tolist()
        peak = max(each.peak_gb for each in parts)
        return Measured(STEP, arm, parts[0].group, parts[0].images, 0.0, seconds, peak)

    def as_json(self) -> str:
        """The results as a file keeps them."""
        content = dict(facts=self.facts, measured=[asdict(each) for each in self.measured])
        return json.dumps(content, indent=1) + "\n"

    @classmethod
    def read(cls, path: str | Path) -> "Results":
        """Read a file that ``as_json`` made.

        Raises:
            UserError: If it is none.
        """
        with blame(f"results {path}", ValueError, TypeError, KeyError):
            content = json.loads(Path(path).read_text())
            return cls(content["facts"], [Measured(**each) for each in content["measured"]])


def table(results: Results) -> str:
    """Seconds and memory of each part and arm, and how many times as fast as the first each other one is."""
    first, *others = results.arms
    head = ["", *(f"{arm}, s" for arm in results.arms), *(f"{arm}: times as fast" for arm in others)]
    lines = [_line([*head, *(f"{arm}, GiB" for arm in results.arms)])]
    lines.append(_line(["---", *["--:"] * (lines[0].count("|") - 2)]))
    for part, row in results.rows.items():
        cells = [_seconds(row.get(arm)) for arm in results.arms]
        cells += [_speedup(row.get(first), row.get(arm)) for arm in others]
        lines.append(_line([part, *cells, *(_memory(row.get(arm)) for arm in results.arms)]))
    return "".join(lines)


def rates(results: Results) -> str:
    """Images a second and seconds for a thousand images."""
    lines = [
        _line(["", *(f"{arm}, images/s" for arm in results.arms), *(f"{a}, s/kimg" for a in results.arms)])
    ]
    lines.append(_line(["---", *["--:"] * (lines[0].count("|") - 2)]))
    for part, row in results.rows.items():
        known = [row.get(arm) for arm in results.arms]
        speeds = [each.images / each.median if each else None for each in known]
        cells = [f"{speed:.3g}" if speed else "" for speed in speeds]
        lines.append(_line([part, *cells, *(f"{1000 / speed:.4g}" if speed else "" for speed in speeds)]))
    return "".join(lines)


def comparison(now: Results, before: Results) -> str:
    """What each arm took now over what the arm of its name, or the only one, took in an earlier run.

    Args:
        now: This run.
        before: The earlier one.

    Raises:
        UserError: If they have nothing in common.
    """
    lines = [_line(["", "arm", "times as fast as before (95 % interval)", "memory, before = 1"])]
    lines.append(_line(["---", "---", "--:", "--:"]))
    only = before.arms[0] if len(before.arms) == 1 else None
    for part, row in now.rows.items():
        for arm, each in row.items():
            old = before.rows.get(part, {}).get(only or arm)
            if old is not None:
                ratio = unpaired_ratio(old.seconds, each.seconds)
                lines.append(_line([part, arm, str(ratio), f"{each.peak_gb / old.peak_gb:.2f}"]))
    if len(lines) == 2:
        raise UserError(f"against: it has {', '.join(before.arms)}, wanted one of {', '.join(now.arms)}")
    return "".join(lines)


def slopes(results: Results, sizes: Mapping[str, float], key: str) -> str:
    """With which power of a size times and memory grow.

    Args:
        results: Of arms that differ in the size.
        sizes: Size of each arm.
        key: Its name.
    """
    lines = [_line(["", f"time ~ {key}^", f"memory ~ {key}^"]), _line(["---", "--:", "--:"])]
    for part, row in results.rows.items():
        known = [(sizes[arm], each.median, each.peak_gb) for arm, each in row.items() if arm in sizes]
        if len(known) > 1:
            x, seconds, memory = zip(*known, strict=True)
            lines.append(_line([part, f"{slope(x, seconds):.2f}", f"{slope(x, memory):.2f}"]))
    return "".join(lines)


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |\n"


def _seconds(each: Measured | None) -> str:
    return f"{each.median:.4g} ± {100 * each.spread:.0f} %" if each else ""


def _memory(each: Measured | None) -> str:
    return f"{each.peak_gb:.2f}" if each else ""


def _speedup(first: Measured | None, other: Measured | None) -> str:
    if first is None or other is None:
        return ""
    return str(paired_ratio(first.seconds, other.seconds))
