"""projects/threedgp/studies/tables.py: tables and claims of hand-made metrics."""

import csv

from projects.threedgp.studies.arms import Arm
from projects.threedgp.studies.tables import (
    Claim,
    Measure,
    arms_markdown,
    claims_markdown,
    runs_csv,
    values_of,
    write_tables,
)
from tests.studies.made_up import FULL, LESS, made_up_run, train_record

FID, SPREAD = Measure("FID/fid", "FID ↓", 1), Measure("spread", "spread ↑", 2)


def runs_of(out, *runs):
    """Runs of an arm, a seed, and metrics each."""
    return [made_up_run(out, *run) for run in runs]


def cells(markdown):
    """The cells of each row under the head."""
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in markdown.splitlines()[2:]]


def test_a_row_of_an_arm_has_the_mean_and_each_seed_in_brackets(tmp_path):
    runs = runs_of(
        tmp_path,
        (FULL, 0, {"FID/fid": 10.0, "spread": 0.5}),
        (LESS, 0, {"FID/fid": 31.0, "spread": 0.25}),
        (FULL, 1, {"FID/fid": 20.0, "spread": 1.0}),
    )
    table = arms_markdown(runs, [FID, SPREAD])
    assert table.splitlines()[:2] == ["| model | FID ↓ | spread ↑ |", "|---|--:|--:|"]
    assert cells(table) == [
        ["all of it", "15.0 (10.0, 20.0)", "0.75 (0.50, 1.00)"],
        ["less of it", "31.0", "0.25"],
    ]


def test_seeds_without_a_value_are_left_out(tmp_path):
    runs = runs_of(
        tmp_path, (FULL, 0, {"FID/fid": 10.0}), (FULL, 1, {"FID/fid": 20.0, "spread": 3.0}), (LESS, 0, {})
    )
    assert values_of(runs, FULL, SPREAD) == {1: 3.0}
    assert cells(arms_markdown(runs, [FID, SPREAD])) == [
        ["all of it", "15.0 (10.0, 20.0)", "3.00"],
        ["less of it", "–", "–"],
    ]


def test_csv_has_a_line_for_each_run(tmp_path):
    log = [train_record(10, 2.0), train_record(25, 1.0)]
    runs = [
        made_up_run(tmp_path, FULL, 1, {"FID/fid": 12.345, "spread": 0.5}, log),
        made_up_run(tmp_path, LESS, 0, {"FID/fid": 3.0}, log),
    ]
    assert list(csv.reader(runs_csv(runs, [FID, SPREAD]).splitlines())) == [
        ["arm", "seed", "kimg", "training_seconds", "FID/fid", "spread"],
        ["full", "1", "0.2", "35", "12.345", "0.5"],
        ["less", "0", "0.2", "35", "3.0", ""],
    ]


def test_a_claim_is_seen_where_its_better_arm_is_smaller_or_larger_as_it_says(tmp_path):
    runs = runs_of(
        tmp_path,
        (FULL, 0, {"FID/fid": 10.0, "spread": 0.5}),
        (FULL, 1, {"FID/fid": 30.0, "spread": 0.75}),
        (LESS, 0, {"FID/fid": 12.0, "spread": 0.25}),
        (LESS, 1, {"FID/fid": 20.0, "spread": 0.5}),
    )
    claims = [Claim("sharper", FULL, LESS, FID), Claim("wider", FULL, LESS, SPREAD, larger=True)]
    assert cells(claims_markdown(runs, claims)) == [
        ["sharper", "FID ↓: all of it against less of it", "+2.0, -10.0", "1 of 2"],
        ["wider", "spread ↑: all of it against less of it", "+0.25, +0.25", "2 of 2"],
    ]


def test_a_tie_is_not_seen(tmp_path):
    runs = runs_of(tmp_path, (FULL, 0, {"FID/fid": 10.0}), (LESS, 0, {"FID/fid": 10.0}))
    assert cells(claims_markdown(runs, [Claim("sharper", FULL, LESS, FID)]))[0][2:] == ["+0.0", "0 of 1"]


def test_claims_compare_the_seeds_that_both_arms_have(tmp_path):
    absent = Arm("absent", "absent")
    runs = runs_of(
        tmp_path,
        (FULL, 0, {"FID/fid": 10.0}),
        (FULL, 1, {"FID/fid": 11.0}),
        (LESS, 1, {"FID/fid": 14.0}),
        (LESS, 2, {"FID/fid": 99.0}),
    )
    claims = [Claim("sharper", FULL, LESS, FID), Claim("sharper still", FULL, absent, FID)]
    compared = [row[2:] for row in cells(claims_markdown(runs, claims))]
    assert compared == [["+3.0", "1 of 1"], ["–", "0 of 0"]]


def test_values_that_are_not_finite_are_shown_and_prove_nothing(tmp_path):
    runs = runs_of(tmp_path, (FULL, 0, {"FID/fid": 10.0}), (LESS, 0, {"FID/fid": "nan"}))
    assert cells(arms_markdown(runs, [FID]))[1] == ["less of it", "nan"]
    assert cells(claims_markdown(runs, [Claim("sharper", FULL, LESS, FID)]))[0][2:] == ["+nan", "0 of 1"]


def test_all_tables_are_written(tmp_path):
    runs = [made_up_run(tmp_path, FULL, 0, {"FID/fid": 1.0}, [train_record(1, 1.0)])]
    claims = [Claim("sharper", FULL, LESS, FID)]
    write_tables(tmp_path, runs, [FID], claims)
    assert (tmp_path / "runs.csv").read_text() == runs_csv(runs, [FID])
    assert (tmp_path / "table.md").read_text() == arms_markdown(runs, [FID])
    assert (tmp_path / "claims.md").read_text() == claims_markdown(runs, claims)
