"""projects/threedgp/studies/systems.py: which configs are compared, their costs, the published orderings."""

import json
import shutil

import pytest

from projects.threedgp.errors import UserError
from projects.threedgp.studies import systems
from projects.threedgp.studies.measures import FID, IS
from projects.threedgp.studies.runs import ROOT, Arm
from tests.studies.made_up import made_up_run, train_record
from tools.studies import systems as tool

THREEDGP, EG3D, OTHER = (
    Arm(f"{name}_toy32", title) for name, title in [("3dgp", "3DGP"), ("eg3d", "EG3D"), ("other", "other")]
)


def finished_run(out, arm, seed, fid, parameters=None):
    log = [
        {**train_record(10, 2.0), "peak_memory_gb": 1.25},
        {**train_record(20, 1.0), "peak_memory_gb": 0.5},
    ]
    metrics = {FID.key: fid, IS.key: 3.0, "NFS/nfs": 20.0}
    run = made_up_run(out, arm, seed, metrics, log)
    content = json.loads(run.metrics_path.read_text())
    run.metrics_path.write_text(json.dumps(content | ({"parameters": parameters} if parameters else {})))
    return run


def rows(path):
    """The cells of each row under the head, by the first of them."""
    lines = [line.strip("|").split("|") for line in path.read_text().splitlines()]
    cells = [[cell.strip() for cell in line] for line in lines]
    return {row[0]: dict(zip(cells[0], row, strict=True)) for row in cells[2:]}


@pytest.fixture
def configs(tmp_path, monkeypatch):
    """A checkout that has the configs of two systems."""
    (tmp_path / "configs").mkdir()
    for name in ("3dgp_toy32", "eg3d_toy32"):
        shutil.copy(ROOT / "configs" / "3dgp_toy32.py", tmp_path / "configs" / f"{name}.py")
    monkeypatch.setattr(systems, "ROOT", tmp_path)


def test_systems_are_called_as_in_the_published_table(configs):
    arms = systems.systems(["eg3d_toy32", "3dgp_toy32.py"])
    assert [(arm.name, arm.title, arm.config) for arm in arms] == [
        ("eg3d_toy32", "EG3D", "configs/eg3d_toy32.py"),
        ("3dgp_toy32", "3DGP", "configs/3dgp_toy32.py"),
    ]


def test_an_unknown_config_is_named_with_those_that_exist(configs):
    with pytest.raises(UserError, match=r"CONFIG eg3d_toy23: no configs/.*, wanted some of 3dgp_toy32"):
        systems.systems(["eg3d_toy23"])


def test_costs_come_from_the_log_and_the_metrics(tmp_path):
    """10 steps of 2 s and 10 of 1 s, of 8 images."""
    run = finished_run(tmp_path, EG3D, 0, 9.0, {"generator": 123456, "discriminator": 7000})
    values = run.values()
    assert values["cost/seconds_per_kimg"] == pytest.approx(30 / 0.16)
    assert values["cost/peak_memory_gb"] == 1.25
    assert (values["cost/generator"], values["cost/discriminator"]) == (123.456, 7.0)
    assert values[FID.key] == 9.0
    bare = made_up_run(tmp_path, EG3D, 1, {FID.key: 1.0})
    assert bare.values() == {FID.key: 1.0}


def test_orderings_are_those_of_the_published_table(tmp_path):
    runs = [finished_run(tmp_path, arm, 0, 1.0) for arm in (EG3D, OTHER, THREEDGP)]
    by_fid, by_is = systems.claims_of(runs)
    assert (by_fid.better, by_fid.worse, by_fid.larger) == (THREEDGP, EG3D, False)
    assert by_fid.text == "3DGP before EG3D, published 19.71 and 26.7"
    assert (by_is.better, by_is.worse, by_is.larger) == (THREEDGP, EG3D, True)
    assert by_is.text == "3DGP before EG3D, published 124.8 and 61.4"


def test_the_table_has_mean_and_range_of_what_is_finished(configs, tmp_path, capsys):
    out = tmp_path / "out"
    for seed, fid in ((0, 10.0), (1, 14.0), (2, 9.0)):
        finished_run(out, THREEDGP, seed, fid, {"generator": 5000, "discriminator": 6000})
    finished_run(out, EG3D, 0, 8.0)
    names = ["eg3d_toy32", "3dgp_toy32"]
    tool.main(["table", str(tmp_path), str(out), *names, "--seeds", "0", "1", "2"])
    table = rows(out / "table.md")
    assert table["3DGP"][FID.title] == "11.00 (9.00 to 14.00)"
    assert table["EG3D"][FID.title] == "8.00"
    assert (
        table["3DGP"][systems.GENERATOR.title] == "5 (5 to 5)"
        and table["EG3D"][systems.GENERATOR.title] == "–"
    )
    claims = rows(out / "claims.md")
    assert claims["3DGP before EG3D, published 19.71 and 26.7"]["seen in"] == "0 of 1"
    printed = capsys.readouterr().out
    assert (out / "table.md").read_text() in printed
    assert printed.count("not finished: ") == 2 and "eg3d_toy32_seed2" in printed
    assert len((out / "runs.csv").read_text().splitlines()) == 5


def test_a_table_of_nothing_is_refused(configs, tmp_path):
    with pytest.raises(UserError, match="no finished run of 3dgp_toy32"):
        tool.main(["table", str(tmp_path), str(tmp_path / "out"), "3dgp_toy32"])


def test_runs_of_different_length_are_not_compared(configs, tmp_path):
    finished_run(tmp_path / "out", THREEDGP, 0, 1.0)
    made_up_run(tmp_path / "out", EG3D, 0, {FID.key: 1.0}, [train_record(10, 1.0)])
    with pytest.raises(UserError, match=r"eg3d_toy32_seed0 saw 0.08 kimg, 3dgp_toy32_seed0 saw 0.16 kimg"):
        tool.main(["table", str(tmp_path), str(tmp_path / "out"), "eg3d_toy32", "3dgp_toy32"])


def test_systems_are_trained_one_after_the_other_unless_told_otherwise(configs, tmp_path, monkeypatch):
    asked = []
    monkeypatch.setattr(systems, "execute", lambda runs, data, size, jobs: asked.append((runs, size, jobs)))
    command = ["run", str(tmp_path), str(tmp_path / "out"), "eg3d_toy32", "3dgp_toy32", "--kimg", "3"]
    for jobs in ([], ["--jobs", "2"]):
        with pytest.raises(UserError, match="no finished run"):
            tool.main([*command, *jobs])
    (runs, size, jobs), (_, _, more) = asked
    assert [run.folder.name for run in runs] == [
        *("eg3d_toy32_seed0", "3dgp_toy32_seed0", "eg3d_toy32_seed1", "3dgp_toy32_seed1")
    ]
    assert (size.kimg, jobs, more) == (3, 1, 2)
