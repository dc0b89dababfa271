"""The golden tests' book: what was compared, with which tolerance and which error."""

import csv
import os

import pytest

from tests.golden.helpers import Case

BOOK = []


def pytest_collection_modifyitems(items):
    here = os.path.dirname(__file__)
    for item in items:
        if str(item.path).startswith(here):
            item.add_marker(pytest.mark.golden)


@pytest.fixture
def golden():
    """Open a golden case by name; its comparisons go into the book."""
    return lambda name: Case(name, BOOK)


def pytest_terminal_summary(terminalreporter):
    """Print the worst ratio of error to tolerance per case; the whole book on request."""
    worst = {}
    for row in BOOK:
        case, key, atol, largest, atol_mean, mean = row
        for ratio, what in ((largest / atol, "max"), (mean / atol_mean, "mean")):
            worst[case, what] = max(worst.get((case, what), (-1.0, "")), (ratio, key))
    if worst:
        terminalreporter.section("golden: worst error / tolerance")
    for (case, what), (ratio, key) in sorted(worst.items()):
        terminalreporter.write_line(f"{case:32} {what:5} {ratio:7.3f}  {key}")
    if BOOK and (path := os.environ.get("THREEDGP_GOLDEN_REPORT")):
        with open(path, "w", newline="") as file:
            head = ("case", "array", "atol", "max_error", "atol_mean", "mean_error")
            csv.writer(file).writerows([head, *BOOK])
