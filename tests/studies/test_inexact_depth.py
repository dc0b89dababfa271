"""tools/studies/inexact_depth.py: tables and picture of runs that nobody trained."""

import csv

import imageio.v3 as iio
import pytest

from projects.threedgp.studies import inexact_depth
from projects.threedgp.studies.arms import FULL, INEXACTNESS, RAW_DEPTH
from tests.studies.made_up import made_up_run, train_record
from tools.studies import inexact_depth as tool


def test_each_level_compares_models_that_see_the_same_depth():
    adapted, raw = inexact_depth.ARMS.values()
    assert inexact_depth.LEVELS == [0, 1, 3] and set(INEXACTNESS) == {0, 3}
    assert (adapted[1], raw[1]) == (FULL, RAW_DEPTH)
    key = "train_dataloader.dataset.depth_root"
    for with_it, without, base in zip(adapted, raw, ("0", None, "3"), strict=True):
        root = with_it.options.get(key)
        assert root == without.options.get(key)
        assert root is None if base is None else root.endswith(f"_{base}")
        assert RAW_DEPTH.options.items() <= without.options.items()


def test_the_advantage_of_the_adaptor_is_told_by_level_and_seed(tmp_path, monkeypatch, capsys):
    out, data = tmp_path / "out", tmp_path / "data"
    data.mkdir()
    (data / "something").touch()

    def execute(runs, *_):
        for run in runs:
            level = next(level for level in (3, 0, 1) if level == 1 or f"inexact{level}" in run.arm.name)
            fid = 5.0 + run.seed + level * (2 if "raw" in run.arm.name else 1)
            values = {measure.key: 1.0 for measure in inexact_depth.MEASURES}
            metrics = values | {inexact_depth.FID.key: fid}
            made_up_run(out, run.arm, run.seed, metrics, [train_record(10, 0.1)])

    monkeypatch.setattr(inexact_depth, "execute", execute)
    tool.main([str(data), str(out), "--seeds", "0", "1"])
    folder = out / "inexact_depth"
    claims = [line.split(" | ") for line in (folder / "claims.md").read_text().splitlines()[2:]]
    assert [claim[2] for claim in claims[:3]] == ["+0.00, +0.00", "+1.00, +1.00", "+3.00, +3.00"]
    assert [claim[3] for claim in claims] == ["0 of 2 |", "2 of 2 |", "2 of 2 |", *["0 of 2 |"] * 3]
    with (folder / "runs.csv").open() as file:
        assert len(list(csv.DictReader(file))) == 12
    assert iio.imread(folder / "curves.png").std() > 0
    assert (folder / "table.md").read_text() in capsys.readouterr().out


@pytest.mark.parametrize("title", [FULL.title, RAW_DEPTH.title])
def test_a_line_goes_through_the_mean_of_the_seeds(tmp_path, monkeypatch, title):
    runs, drawn = [], {}
    for arms in inexact_depth.ARMS.values():
        for level, arm in zip(inexact_depth.LEVELS, arms, strict=True):
            for seed in (0, 1):
                metrics = {inexact_depth.FID.key: 10.0 * level + seed}
                runs.append(made_up_run(tmp_path, arm, seed, metrics))

    def save(figure, path):
        drawn.update({line.get_label(): list(line.get_ydata()) for line in figure.axes[0].lines})

    monkeypatch.setattr(inexact_depth, "save_figure", save)
    inexact_depth.plot_levels(tmp_path / "x.png", runs, [inexact_depth.FID])
    assert drawn[title] == [0.5, 10.5, 30.5]
