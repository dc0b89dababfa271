"""tools/studies/tables.py, tools/studies/convergence.py"""

import csv
import io
import json

import pytest

from tools.studies.convergence import family_markdown, kimg_to_reach
from tools.studies.runs import Arm, Run
from tools.studies.tables import Claim, Measure, arms_markdown, cell, claims_markdown, gains_of, runs_csv

A, B = Arm("a", "model A"), Arm("b", "model B")
ERROR, SCORE = Measure("m/error", "error", 2), Measure("m/score", "score", 1)


@pytest.fixture
def runs(tmp_path, monkeypatch):
    monkeypatch.setattr(Run, "kimg", lambda run: 8.0)
    monkeypatch.setattr(Run, "training_seconds", lambda run: 60.4)
    values = [(A, 0, 1.0, 5.0), (A, 1, 2.0, None), (B, 0, 1.5, 4.0), (B, 1, 1.0, 6.0)]
    made = []
    for arm, seed, error, score in values:
        run = Run(arm, seed, tmp_path / f"{arm.name}{seed}")
        run.folder.mkdir()
        metrics = {"m/error": error} | ({} if score is None else {"m/score": score})
        run.metrics_path.write_text(json.dumps({"metrics": metrics}))
        made.append(run)
    return made


def test_an_arm_shows_its_mean_and_each_seed(runs):
    lines = arms_markdown(runs, [ERROR, SCORE]).splitlines()
    assert lines[0] == "| model | error | score |"
    assert lines[2:] == [
        "| model A | 1.50 (1.00, 2.00) | 5.0 |",
        "| model B | 1.25 (1.50, 1.00) | 5.0 (4.0, 6.0) |",
    ]
    assert cell({}, 2) == "–"


def test_every_run_has_a_line_in_the_csv(runs):
    rows = list(csv.DictReader(io.StringIO(runs_csv(runs, [ERROR, SCORE]))))
    assert [(row["arm"], row["seed"]) for row in rows] == [("a", "0"), ("a", "1"), ("b", "0"), ("b", "1")]
    assert rows[1]["m/score"] == "" and rows[3]["m/error"] == "1.0"
    assert rows[0]["kimg"] == "8" and rows[0]["training_seconds"] == "60"


def test_a_claim_counts_seeds_with_the_right_sign(runs):
    assert gains_of(runs, Claim("", A, B, ERROR)) == [0.5, -1.0]
    assert gains_of(runs, Claim("", A, B, ERROR, larger=True)) == [-0.5, 1.0]
    table = claims_markdown(runs, [Claim("A is better", A, B, ERROR)])
    assert "| A is better | error: model A against model B | +0.50, -1.00 | 1 of 2 |" in table


def test_a_seed_that_one_arm_lacks_is_left_out(runs):
    assert gains_of(runs, Claim("", A, B, SCORE, larger=True)) == [1.0]


@pytest.mark.parametrize(
    "target, expected", [(15.0, 0.5), (12.0, 0.75), (9.0, 1.0), (7.0, 1 + 2 / 3), (6.0, 2.0), (5.0, None)]
)
def test_images_to_reach_a_value_lie_between_points(target, expected):
    curve = ([0.5, 1.0, 2.0], [15.0, 9.0, 6.0])
    reached = kimg_to_reach(curve, target)
    assert reached == (None if expected is None else pytest.approx(expected))


def test_a_family_is_compared_with_its_first_arm(runs, monkeypatch):
    curves = {"a": ([1.0, 2.0], [8.0, 4.0]), "b": ([1.0, 2.0], [6.0, 2.0])}
    monkeypatch.setattr(Run, "curve", lambda run, name: curves[run.arm.name])
    lines = family_markdown("GAN", [A, B], runs[::2]).splitlines()
    assert lines[2] == "| model A | 0 | 4.00 | 6.00 | 2.0 kimg |"
    assert lines[3] == "| model B | 0 | 2.00 | 4.00 | 1.5 kimg |"
