"""tools/quickstart.sh: what cannot work ends before the installation; --show only renders; photos train."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.stand_ins import save_depth_stand_in

ROOT = Path(__file__).resolve().parents[2]
SHOWN = "projects/threedgp/zoo/toy32"


def quickstart(*arguments, cwd, root=ROOT, **env):
    return subprocess.run(
        ["bash", root / "tools" / "quickstart.sh", *arguments],
        cwd=cwd,
        env=os.environ | env,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["missing"], "PHOTOS_DIR 'missing' is no folder"),
        (["empty"], "holds no jpg, png, webp, bmp, tif, gif, avif, ... file"),
        (["empty", "other"], "one PHOTOS_DIR is wanted, got 'empty' and 'other'"),
        (["empty", "--depth-model"], "--depth-model wants a folder or a hub name"),
        (["--depth-model", "x"], "--depth-model goes with PHOTOS_DIR"),
        (["--show", "empty"], "--show trains nothing: it takes no PHOTOS_DIR, got 'empty'"),
        (["empty", "--show"], "--show trains nothing: it takes no PHOTOS_DIR, got 'empty'"),
        (["--show", "--depth-model", "x"], "--show trains nothing: it takes no --depth-model, got 'x'"),
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
    assert "bash tools/quickstart.sh --show" in run.stdout


@pytest.fixture
def repository(tmp_path):
    """The script among stand-ins: an installer that names a Python which notes its arguments."""
    root = tmp_path / "repository"
    (root / "tools").mkdir(parents=True)
    shutil.copy(ROOT / "tools" / "quickstart.sh", root / "tools")
    (root / "tools" / "install.sh").write_text('echo "$(dirname "$0")/python"\n')
    python = root / "tools" / "python"
    python.write_text('#!/bin/sh\necho "$@" >> calls.txt\n[ ! -e broken ]\n')
    python.chmod(0o755)
    for ending in ("py", "pth"):
        file = root / f"{SHOWN}.{ending}"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("x")
    return root


def test_show_installs_and_renders_the_model_of_the_repository(repository, tmp_path):
    run = quickstart("--show", cwd=tmp_path, root=repository)
    assert run.returncode == 0, run.stderr
    (call,) = (repository / "calls.txt").read_text().splitlines()
    command = f"tools/render.py {SHOWN}.py {SHOWN}.pth --out work_dirs/quickstart-show --labels "
    assert call == command + "0 1 2 3 4 5 6 7 --orbits 8"
    assert "installing" in run.stdout
    for name in ("samples.png", "orbit.mp4", "orbit.png"):
        assert f"    work_dirs/quickstart-show/{name}  " in run.stdout


def test_show_keeps_all_of_a_trained_run_and_leaves_no_old_picture(repository, tmp_path):
    trained, shown = (repository / "work_dirs" / name for name in ("quickstart", "quickstart-show"))
    files = ("curves.png", "metrics.md", "orbit.mp4", "samples.png")
    for folder in (trained, shown):
        folder.mkdir(parents=True)
        for name in files:
            (folder / name).touch()
    (repository / "broken").touch()
    run = quickstart("--show", cwd=tmp_path, root=repository)
    assert run.returncode == 1 and "error: rendering: exit status 1" in run.stderr
    assert sorted(path.name for path in trained.iterdir()) == sorted(files)
    assert sorted(path.name for path in shown.iterdir()) == ["curves.png", "metrics.md"]


@pytest.mark.parametrize("ending", ["py", "pth"])
def test_show_without_the_model_ends_early(repository, tmp_path, ending):
    (repository / f"{SHOWN}.{ending}").unlink()
    run = quickstart("--show", cwd=tmp_path, root=repository)
    assert run.returncode == 1
    assert f"--show: no {SHOWN}.{ending} in {repository}" in run.stderr
    assert "installing" not in run.stdout


@pytest.fixture
def installed(tmp_path):
    """A copy of the repository whose installer names this Python."""
    root = tmp_path / "installed"
    for folder in ("configs", "projects", "tools"):
        shutil.copytree(ROOT / folder, root / folder, ignore=shutil.ignore_patterns("__pycache__"))
    (root / "tools" / "install.sh").write_text(f"echo {sys.executable}\n")
    return root


@pytest.mark.slow
@pytest.mark.parametrize(("num", "with_depth"), [(1, False), (5, True)])
def test_a_few_photos_are_enough(installed, tmp_path, num, with_depth):
    (tmp_path / "my photos").mkdir()
    for i in range(num):
        pixels = np.random.default_rng(i).integers(0, 255, (64, 48, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(tmp_path / "my photos" / f"{i}.jpg")
    arguments = ["--depth-model", save_depth_stand_in(tmp_path / "depth model")] if with_depth else []
    run = quickstart(
        "my photos",
        *arguments,
        cwd=tmp_path,
        root=installed,
        THREEDGP_QUICKSTART_KIMG="0.016",
        OMP_NUM_THREADS="1",
    )
    assert run.returncode == 0, run.stdout[-3000:] + run.stderr[-3000:]
    out = installed / "work_dirs" / "quickstart"
    written = json.loads((out / "metrics.json").read_text())
    assert written["data_root"] == "work_dirs/quickstart/data/train" and written["seed"] == "0"
    assert all(np.isfinite(value) for value in written["metrics"].values())
    files = {"samples.png", "orbit.mp4", "orbit.png", "curves.png", "metrics.md"}
    assert files <= {path.name for path in out.iterdir()}
    images = "image" if num == 1 else "images"
    said = f"SWD: {num} real and generated {images}, as the data has no more; 512 were asked for"
    # Before training, and again before the evaluation, each with a log of its own.
    training, evaluation = sorted((out / "train").glob("*/*.log"))
    assert said in training.read_text() and said in evaluation.read_text()
    assert run.stderr.count(said) == 2
