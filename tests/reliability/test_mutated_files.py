"""Mutated inputs through every door: refused in a line that names them, or harmless, and nothing else.

A few of each kind; the long version takes all of them, more than a thousand. ``THREEDGP_MUTATED_SEED`` makes
others of the same kinds, and ``THREEDGP_MUTATED_REPORT`` names a file to which a line goes for each of them
as soon as it is through.
"""

import os
import shutil
import zlib
from collections import Counter
from random import Random

import pytest

from projects.threedgp.evaluation import feature_metric
from tests.reliability import config_cases, image_cases, table_cases, weight_cases
from tests.reliability.doors import GOOD, Outcome, outcome_of
from tests.reliability.forked import LONG

SEED = int(os.environ.get("THREEDGP_MUTATED_SEED", "0"))
REPORT = os.environ.get("THREEDGP_MUTATED_REPORT", os.devnull)
SHOWN = 12
# What makes the cases of a kind, how many of them there are in all, and how many are taken otherwise.
KINDS = {
    "photos": (image_cases.photo, 240, 12),
    "depth maps": (image_cases.depth_map, 80, 4),
    "images in training": (image_cases.trained, 40, 2),
    "samples to measure": (image_cases.samples, 120, 6),
    "damaged checkpoints": (weight_cases.damaged, 200, 8),
    "checkpoints of wrong contents": (weight_cases.edited, 120, 6),
    "hostile checkpoints": (weight_cases.hostile, 60, 4),
    "hostile configs in checkpoints": (weight_cases.hostile_config, 60, 4),
    "official snapshots": (weight_cases.snapshot, 60, 2),
    "weights of a teacher": (weight_cases.teacher, 60, 4),
    "feature tables": (table_cases.features, 100, 4),
    "statistics of reals": (table_cases.statistics, 60, 4),
    "lists of labels": (table_cases.labels, 80, 4),
    "accounts of data sets": (table_cases.account, 30, 2),
    "configs": (config_cases.config, 260, 8),
}


@pytest.fixture(scope="module")
def bench(tmp_path_factory):
    """Where originals lie that all cases share."""
    return tmp_path_factory.mktemp("bench")


@pytest.fixture(scope="module", autouse=True)
def report(request):
    """Counts of outcomes by kind, printed at the end."""
    counts: dict[str, Counter] = {}
    yield counts
    write = request.config.pluginmanager.getplugin("terminalreporter").write_line
    write(f"\nmutated inputs: {sum(map(Counter.total, counts.values()))} (seed {SEED})")
    for kind, found in counts.items():
        write(f"  {kind}: {found.total()}")
        for outcome, count in found.most_common():
            write(f"    {count:5d} {outcome}")


def chosen(kind: str) -> list[int]:
    """Numbers of the cases to take, spread over all of them, and not in step with what they repeat."""
    _, everything, few = KINDS[kind]
    return list(range(everything) if LONG else range(0, everything, everything // few + 1))


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_mutated_inputs_are_refused_by_name_or_harmless(kind, bench, tmp_path, report, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(feature_metric, "MMAGIC_CACHE_DIR", str(bench / "cache"))
    make, counts, bad = KINDS[kind][0], Counter(), []
    for number in chosen(kind):
        folder = tmp_path / str(number)
        folder.mkdir()
        case = make(bench, folder, number, Random(zlib.crc32(f"{SEED} {kind} {number}".encode())))
        outcome, said = outcome_of(case, tmp_path / "EXECUTED")
        counts[outcome] += 1
        shutil.rmtree(folder)
        with open(REPORT, "a", encoding="utf-8") as lines:
            lines.write(f"{outcome}\t{kind}\t{number}\t{case.name}\t{said.strip()[-300:]!r}\n")
        if outcome not in GOOD:
            bad.append(f"{number}, {case.name}: {outcome}\n{said[-1500:]}")
    report[kind] = counts
    assert not bad, f"{len(bad)} of {counts.total()}\n" + "\n\n".join(bad[:SHOWN])
    assert counts[Outcome.REFUSED] or kind == "statistics of reals"  # which are made anew
