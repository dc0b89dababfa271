"""tools/benchmark.py: real processes that train and render a tiny model, and what it refuses."""

import json
from pathlib import Path

import pytest

from projects.threedgp.benchmarks.report import STEP, Measured, Results
from projects.threedgp.errors import UserError
from tests.benchmarks.test_parts import SMALLER
from tools import benchmark

CONFIGS = Path(__file__).resolve().parents[2] / "configs"
CONFIG = str(CONFIGS / "3dgp_quickstart.py")


def run(out: Path, *argv: str, config: str = CONFIG) -> Results:
    fixed = ("--device", "cpu", "--batch-size", "4", "--rounds", "2", "--warmup", "0", "--out", str(out))
    benchmark.main([config, *fixed, *argv, "--cfg-options", *SMALLER])
    return Results.read(out.with_suffix(".json"))


@pytest.mark.slow
def test_arms_are_measured_in_turn(tmp_path, capsys):
    results = run(tmp_path / "out", "--arm", "more", "model.generator.renderer.num_coarse=64")
    assert results.arms == ["3dgp_quickstart", "more"]
    rows = results.rows
    wanted = ("G phase", "D phase", "R1", "average", STEP, "image from z", "decoding", "frame, kept planes")
    assert all(len(row) == 2 for row in rows.values()) and set(wanted) <= set(rows)
    everything = [each for row in rows.values() for each in row.values()]
    assert all(len(each.seconds) == 2 and min(each.seconds) > 0 for each in everything)
    text = (tmp_path / "out.md").read_text()
    assert text in capsys.readouterr().out and "benchmark.py" in text


@pytest.mark.slow
def test_sweep_gives_slopes_and_an_earlier_run_ratios(tmp_path):
    first = Results({}, [Measured("frame, kept planes", "resolution 8", "render", 1, 0.0, [10.0], 1.0)])
    (tmp_path / "first.json").write_text(first.as_json())
    argv = ("--groups", "render", "--sweep", "resolution", "8", "32")
    second = run(tmp_path / "second", *argv, "--against", str(tmp_path / "first.json"))
    assert second.arms == ["resolution 8", "resolution 32"]
    text = (tmp_path / "second.md").read_text()
    assert "time ~ resolution^" in text and "times as fast as before" in text


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["--groups", "load"], "got no --data-root"),
        (["--sweep", "width", "1", "2"], "--sweep width: wanted one of batch_size, resolution, samples"),
        (["--sweep", "samples", "8"], "wanted two or more"),
        (["--checkout", "old", "."], "--checkout .*: wanted a checkout"),
        (["--arm", "3dgp_quickstart", "model.num_classes=None"], "wanted different ones"),
    ],
)
def test_mistakes_are_named(tmp_path, monkeypatch, argv, message):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match=message):
        run(tmp_path / "out", *argv)
    assert not list(tmp_path.glob("out*"))


def test_an_earlier_run_must_be_one(tmp_path):
    (tmp_path / "other.json").write_text(json.dumps([1]))
    with pytest.raises(UserError, match="results"):
        run(tmp_path / "out", "--against", str(tmp_path / "other.json"))
