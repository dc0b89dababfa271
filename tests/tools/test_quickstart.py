"""tools/quickstart.sh: what cannot work ends before anything is installed."""

import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def quickstart(*arguments, cwd):
    return subprocess.run(
        ["bash", ROOT / "tools" / "quickstart.sh", *arguments],
        cwd=cwd,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["missing"], "PHOTOS_DIR 'missing' is no folder"),
        (["empty"], "holds no jpg, png, webp, bmp or tiff file"),
        (["empty", "other"], "one PHOTOS_DIR is wanted, got 'empty' and 'other'"),
        (["empty", "--depth-model"], "--depth-model wants a folder or a hub name"),
        (["--depth-model", "x"], "--depth-model goes with PHOTOS_DIR"),
        (["--unknown"], "unknown option --unknown"),
    ],
)
def test_bad_arguments_end_early(tmp_path, arguments, message):
    (tmp_path / "empty" / "nested").mkdir(parents=True)
    (tmp_path / "empty" / "nested" / "notes.txt").touch()
    run = quickstart(*arguments, cwd=tmp_path)
    assert run.returncode == 1
    assert message in run.stderr
    assert "installing" not in run.stdout


def test_help_shows_the_usage(tmp_path):
    run = quickstart("--help", cwd=tmp_path)
    assert run.returncode == 0
    assert "bash tools/quickstart.sh PHOTOS_DIR" in run.stdout
