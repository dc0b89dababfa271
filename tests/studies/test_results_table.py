"""The table of results: published numbers as they are, measured ones from metrics.json, nothing else."""

import csv
import json
import os

import pytest

from projects.threedgp.errors import UserError
from projects.threedgp.studies.published import choose_tables, load_published
from projects.threedgp.studies.results_table import collect, read_measured, table_markdown, tables_csv
from tools import table as tool

TABLES = load_published()
MAIN = TABLES[0]


def write_metrics(folder, metrics, **about):
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "metrics.json").write_text(json.dumps({**about, "metrics": metrics}))
    return folder


def rows(markdown):
    """The cells of each row by its first cell and the head."""
    lines = [line for line in markdown.splitlines() if line.startswith("|")]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    return {row[0]: dict(zip(cells[0], row, strict=True)) for row in cells[2:]}


# What is published


def test_the_published_table_is_that_of_the_page():
    published = {row.title: (row.fid, row.is_, row.cost) for row in MAIN.rows}
    assert published == {
        "BigGAN": ("8.7", "142.3", "60"),
        "StyleGAN-XL": ("2.3", "265.1", "163+"),
        "ADM": ("4.59", "186.7", "458"),
        "EG3D": ("26.7", "61.4", "18.7"),
        "EG3D, wide camera": ("25.6", "57.3", "18.7"),
        "VolumeGAN": ("77.68", "19.56", "15.17"),
        "StyleNeRF": ("56.64", "21.80", "20.55"),
        "StyleGAN-XL + 3D photo": ("116.9", "9.47", "165+"),
        "EpiGRAF": ("47.56", "26.68", "15.9"),
        "EpiGRAF, wide camera": ("58.17", "20.36", "15.9"),
        "3DGP": ("19.71", "124.8", "28"),
    }


def test_every_row_has_a_name_of_its_own_and_every_table_its_protocol():
    names = [row.name for table in TABLES for row in table.rows]
    assert len(set(names)) == len(names)
    assert all(table.protocol and table.source for table in TABLES)
    assert all(row.kind in ("2D", "3D-aware", "3D") for table in TABLES for row in table.rows)


# What was measured


def test_nothing_measured_is_empty_and_published_numbers_are_as_they_were_given():
    row = rows(table_markdown(MAIN, {}))["BigGAN"]
    assert row["FID ↓, published"] == "8.7" and row["FID, toolkit"] == "11.3151"
    assert row["FID, measured here"] == row["IS, measured here"] == ""


def test_a_given_run_fills_its_row_and_no_other(tmp_path):
    protocol = {"metrics": {"FID": {"samples": 50000, "reals": 1281167}}}
    run = write_metrics(
        tmp_path / "run", {"FID/fid": 31.4159, "IS/is": 40.0}, data_root="data/train", protocol=protocol
    )
    measured, remarks = collect(TABLES, {"eg3d": run}, None)
    table = rows(table_markdown(MAIN, measured))
    assert (table["EG3D"]["FID, measured here"], table["EG3D"]["IS, measured here"]) == ("31.42", "40.00")
    assert table["EG3D"]["measured"] == f"50000 samples, 1281167 reals of data/train; {run}"
    assert table["EG3D, wide camera"]["FID, measured here"] == "" and remarks == []
    assert collect(TABLES, {"eg3d": run / "metrics.json"}, None)[0] == measured


def test_runs_are_found_by_the_name_of_a_row_or_of_its_config_and_the_newest_counts(tmp_path):
    write_metrics(tmp_path / "stylegan_xl", {"FID/fid": 2.5})
    old = write_metrics(tmp_path / "3dgp_imagenet256" / "test_iter_1000", {"FID/fid": 99.0})
    write_metrics(tmp_path / "3dgp_imagenet256", {"FID/fid": 21.0})
    os.utime(old / "metrics.json", (1, 1))
    write_metrics(tmp_path / "3dgp_imagenet2567", {"FID/fid": 1.0})
    measured, remarks = collect(TABLES, {}, tmp_path)
    assert {name: each.fid for name, each in measured.items()} == {"stylegan_xl": "2.50", "3dgp": "21.00"}
    assert len(remarks) == 1 and "3dgp: took " in remarks[0] and "newest of 2" in remarks[0]
    given = write_metrics(tmp_path / "elsewhere", {"FID/fid": 50.0})
    assert collect(TABLES, {"3dgp": given}, tmp_path)[0]["3dgp"].fid == "50.00"


def test_a_fid_of_a_stand_in_is_none(tmp_path):
    run = write_metrics(tmp_path / "eg3d", {"FID (toy classifier)/fid": 4.8, "IS (toy classifier)/is": 9.0})
    measured, remarks = collect(TABLES, {}, tmp_path)
    assert (measured["eg3d"].fid, measured["eg3d"].is_, measured["eg3d"].protocol) == ("", "", "")
    assert remarks == [
        f"{run / 'metrics.json'}: holds FID (toy classifier)/fid, which is no FID with the Inception "
        "network; left empty"
    ]


def test_a_value_that_is_not_finite_is_shown_as_such(tmp_path):
    assert read_measured(write_metrics(tmp_path / "run", {"FID/fid": "nan"})).fid == "nan"


@pytest.mark.parametrize("content", ["", "[]", '{"metrics": 3}', '{"metrics": {"FID/fid": null}}', "{}"])
def test_files_of_another_kind_are_named(tmp_path, content):
    (tmp_path / "metrics.json").write_text(content)
    with pytest.raises(UserError, match=r"metrics.json: is no metrics.json of tools/test.py"):
        read_measured(tmp_path)


def test_missing_files_and_unknown_names_are_named(tmp_path):
    with pytest.raises(UserError, match=r"nowhere: no metrics\.json there"):
        collect(TABLES, {"eg3d": tmp_path / "nowhere"}, None)
    with pytest.raises(UserError, match=r"--run eg4d=\.\.\.: no such row, wanted one of biggan, stylegan_xl"):
        collect(TABLES, {"eg4d": tmp_path}, None)
    with pytest.raises(UserError, match="--tables cars: no such table, wanted some of imagenet256, dogs256"):
        choose_tables(TABLES, ["cars"])


# The command


def test_the_command_prints_and_writes_both_forms(tmp_path, capsys):
    run = write_metrics(tmp_path / "run", {"FID/fid": 31.4159, "IS/is": 40.0})
    out = tmp_path / "out"
    tool.main(["--run", f"eg3d={run}", "--work-dirs", str(tmp_path / "none"), "--out", str(out)])
    printed = capsys.readouterr().out
    assert printed.strip() == (out / "table.md").read_text().strip()
    assert all(f"### {table.title}" in printed for table in TABLES)
    with (out / "table.csv").open() as file:
        lines = {line["name"]: line for line in csv.DictReader(file)}
    assert len(lines) == sum(len(table.rows) for table in TABLES)
    assert lines["eg3d"]["row.fid"] == "26.7" and lines["eg3d"]["measured.fid"] == "31.42"
    assert lines["3dgp"]["measured.fid"] == "" and lines["3dgp"]["table"] == "imagenet256"
    assert tables_csv(TABLES, {}).count("31.42") == 0


def test_the_command_wants_names_with_paths(capsys):
    with pytest.raises(SystemExit):
        tool.main(["--run", "eg3d"])
    assert "got 'eg3d', wanted NAME=PATH" in capsys.readouterr().err
