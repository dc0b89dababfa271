"""tools/studies/learns_3d.py from prepared data to tables and pictures, with processes that really train."""

import csv
import json
from dataclasses import replace

import imageio.v3 as iio
import pytest
from mmengine.config import Config

from projects.threedgp.studies import learns_3d, runs
from projects.threedgp.studies.arms import FIXED_CAMERAS, FULL
from projects.threedgp.studies.sizes import SIZES
from tools.studies import learns_3d as tool

FAKES = 32
KIMG = SIZES["smoke"].kimg
RESULTS = {"runs", "runs.csv", "table.md", "claims.md", "curves.png", "cameras.png", "samples.png"}


def shortened(arm, cache):
    """The arm, evaluated on a few images; statistics of real ones stay out of the user's cache."""
    config = Config.fromfile(arm.config)
    options = {}
    for loop in ("val", "test"):
        for i, metric in enumerate(config[f"{loop}_evaluator"].metrics):
            options[f"{loop}_evaluator.metrics.{i}.fake_nums"] = FAKES
            if metric.type == "LocalFID":
                options[f"{loop}_evaluator.metrics.{i}.inception_pkl"] = str(cache / f"{arm.name}.pkl")
        options[f"{loop}_dataloader.persistent_workers"] = False
        options[f"{loop}_dataloader.num_workers"] = 0
    return replace(arm, options={**arm.options, **options})


def rows(markdown):
    """The cells of each row under the head."""
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in markdown.splitlines()[2:]]


def test_every_claim_is_about_arms_and_measures_of_the_study():
    for claim in learns_3d.CLAIMS:
        assert {claim.better.name, claim.worse.name} <= {arm.name for arm in learns_3d.ABLATIONS}
        assert claim.better != claim.worse
    titles = [measure.title for measure in learns_3d.MEASURES]
    assert len(set(titles)) == len(titles)
    for claim in learns_3d.CLAIMS:
        if "↑" in claim.measure.title or "↓" in claim.measure.title:
            assert claim.larger == ("↑" in claim.measure.title), claim.text


@pytest.mark.slow
def test_a_small_study_from_data_to_tables(prepared, tmp_path, monkeypatch, capsys):
    arms = [shortened(arm, tmp_path) for arm in (FULL, FIXED_CAMERAS)]
    monkeypatch.setattr(learns_3d, "ABLATIONS", arms)
    out = tmp_path / "out"
    command = [str(prepared), str(out), "--size", "smoke", "--seeds", "0"]
    tool.main(command)
    assert {path.name for path in out.iterdir()} == RESULTS
    check_tables(out, capsys.readouterr().out)
    check_pictures(out)
    finished = {path: path.read_bytes() for path in out.rglob("*") if path.is_file()}

    monkeypatch.setattr(runs, "_call", None)
    for name in ("table.md", "claims.md", "runs.csv"):
        (out / name).unlink()
    tool.main(command)
    assert {path: path.read_bytes() for path in out.rglob("*") if path.is_file()} == finished


def check_tables(out, printed):
    """Runs, means and differences agree with the metrics of the runs; all measures were taken."""
    metrics = {
        arm.name: json.loads((out / "runs" / f"{arm.name}_seed0" / "metrics.json").read_text())["metrics"]
        for arm in (FULL, FIXED_CAMERAS)
    }
    with (out / "runs.csv").open() as file:
        table = list(csv.DictReader(file))
    assert [(row["arm"], row["seed"], float(row["kimg"])) for row in table] == [
        ("full", "0", KIMG),
        ("fixed_cameras", "0", KIMG),
    ]
    for row in table:
        for measure in learns_3d.MEASURES:
            assert float(row[measure.key]) == pytest.approx(metrics[row["arm"]][measure.key], nan_ok=True)
    arms = rows((out / "table.md").read_text())
    assert [row[0] for row in arms] == [FULL.title, FIXED_CAMERAS.title]
    assert all(len(row) == 1 + len(learns_3d.MEASURES) and "–" not in row for row in arms)
    claims = rows((out / "claims.md").read_text())
    assert [row[0] for row in claims] == [claim.text for claim in learns_3d.CLAIMS]
    for row, claim in zip(claims, learns_3d.CLAIMS, strict=True):
        if claim.worse.name != FIXED_CAMERAS.name:
            assert row[2:] == ["–", "0 of 0"]
            continue
        gain = metrics["fixed_cameras"][claim.measure.key] - metrics["full"][claim.measure.key]
        assert float(row[2]) == pytest.approx(gain, abs=0.5 * 10**-claim.measure.digits + 1e-9)
        assert row[3] == f"{int(gain > 0)} of 1"
    assert (out / "table.md").read_text() in printed and (out / "claims.md").read_text() in printed


def check_pictures(out):
    """Curves, cameras, and a row of samples for each arm."""
    for name in ("curves.png", "cameras.png", "samples.png"):
        assert iio.imread(out / name).std() > 0
    heights = {name: iio.imread(out / name).shape[0] for name in ("cameras.png", "samples.png")}
    assert heights["cameras.png"] == 2 * int(1.7 * 110)
    # A caption over colour over depth, 32 pixels enlarged to 64, with gaps of 2.
    assert heights["samples.png"] == 2 * (14 + 64 + 2 + 64) + 2
