"""tools/studies/convergence.py: how fast a curve falls, on curves written by hand."""

import csv

import pytest

from projects.threedgp.studies import convergence
from projects.threedgp.studies.convergence import curves_csv, family_markdown, kimg_to_reach
from projects.threedgp.studies.measures import FID
from tests.studies.made_up import FULL, LESS, made_up_run, val_record
from tools.studies import convergence as tool

CURVE = ([2.0, 4.0, 8.0], [30.0, 20.0, 10.0])


@pytest.mark.parametrize(
    ("target", "kimg"),
    [(25.0, 3.0), (12.5, 7.0), (20.0, 4.0), (10.0, 8.0), (30.0, 2.0), (99.0, 2.0), (9.0, None)],
)
def test_a_value_is_reached_on_the_line_between_two_points(target, kimg):
    assert kimg_to_reach(CURVE, target) == kimg


def test_the_first_time_counts_if_a_curve_rises_again():
    assert kimg_to_reach(([1.0, 2.0, 3.0, 4.0], [30.0, 10.0, 40.0, 5.0]), 20.0) == 1.5


def test_a_curve_without_points_reaches_nothing():
    assert kimg_to_reach(([], []), 1.0) is None


def run_of(out, arm, seed, *values):
    """A run with a validation every 250 steps of 8 images."""
    log = [val_record(250 * i, FID.key, value) for i, value in enumerate(values, start=1)]
    return made_up_run(out, arm, seed, log=log)


@pytest.fixture
def runs(tmp_path):
    """The arm without distillation is the first: LESS."""
    return [
        run_of(tmp_path, LESS, 0, 30.0, 20.0),
        run_of(tmp_path, FULL, 0, 24.0, 16.0),
        run_of(tmp_path, LESS, 1, 30.0, 10.0),
        run_of(tmp_path, FULL, 1, 30.0, 11.0),
    ]


def test_csv_has_a_line_for_each_validation(runs):
    assert list(csv.reader(curves_csv(runs[:2]).splitlines())) == [
        ["arm", "seed", "kimg", FID.key],
        ["less", "0", "2.0", "30.0"],
        ["less", "0", "4.0", "20.0"],
        ["full", "0", "2.0", "24.0"],
        ["full", "0", "4.0", "16.0"],
    ]


def test_arms_are_measured_by_what_the_first_arm_of_their_seed_reached(runs):
    lines = family_markdown("3DGP", [LESS, FULL], runs).splitlines()
    assert lines[0].startswith("| 3DGP | seed |")
    assert lines[2:] == [
        "| less of it | 0 | 20.00 | 25.00 | 4.0 kimg |",
        "| all of it | 0 | 16.00 | 20.00 | 3.0 kimg |",
        "| less of it | 1 | 10.00 | 20.00 | 4.0 kimg |",
        "| all of it | 1 | 11.00 | 20.50 | not reached |",
    ]


def test_the_command_writes_curves_tables_and_pictures_of_its_families(tmp_path, monkeypatch, capsys):
    out, data = tmp_path / "out", tmp_path / "data"
    data.mkdir()
    (data / "something").touch()
    sizes = []

    def execute(runs, data, size, jobs):
        sizes.append((size.kimg, size.val_interval_kimg, jobs))
        for run in runs:
            run_of(out, run.arm, run.seed, 30.0, 20.0)

    monkeypatch.setattr(convergence, "execute", execute)
    options = ("--seeds", "4", "--families", "2d", "--kimg", "3", "--val-kimg", "1.5", "--jobs", "5")
    tool.main([str(data), str(out), *options])
    assert sizes == [(3.0, 1.5, 5)]
    assert {path.name for path in out.iterdir()} == {
        *("runs", "convergence.csv", "convergence_2d.png", "convergence.md")
    }
    with (out / "convergence.csv").open() as file:
        arms = [row["arm"] for row in csv.DictReader(file)]
    assert arms == [f"stylegan2_{kind}" for kind in ("none", "l2", "kl") for _ in range(2)]
    text = (out / "convergence.md").read_text()
    assert text.count("StyleGAN2") == 1 and "3DGP" not in text
    assert text in capsys.readouterr().out


@pytest.mark.parametrize(
    "arms", [arms for _, arms in convergence.FAMILIES.values()], ids=convergence.FAMILIES
)
def test_the_first_arm_of_a_family_is_without_distillation(arms):
    assert [arm.options.get("model.distillation", "as in the config") is None for arm in arms] == [
        *(True, False, False)
    ]
