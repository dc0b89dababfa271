"""A full disk spoils nothing: training says which file was not written, and stops or goes on as asked."""

import resource
import shutil
import subprocess
from pathlib import Path

import pytest

from projects.threedgp.engine.checkpoint_loading import newest_whole_checkpoint
from tests import tiny_runs
from tests.reliability.forked import LONG, start, train, training


def train_with_small_files(limit: int, *command: str) -> None:
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
    train(*command)


def resize(disk: Path, size: int, *options: str) -> bool:
    """Mount a file system in memory, or give it another size; whether that is allowed."""
    command = ["mount", "-t", "tmpfs", "-o", ",".join([*options, f"size={size}"]), "tmpfs", str(disk)]
    return subprocess.run(command, capture_output=True).returncode == 0


@pytest.fixture
def disk(tmp_path):
    (tmp_path / "disk").mkdir()
    yield tmp_path / "disk"
    subprocess.run(["umount", str(tmp_path / "disk")], capture_output=True)


@pytest.mark.slow
@pytest.mark.parametrize("limit", ["size of files", *(["size of the disk"] if LONG else [])])
def test_a_full_disk(tmp_path, disk, limit, record_property):
    data, folder, log = tiny_runs.write_images(tmp_path / "data"), disk / "run", tmp_path / "log"

    def status(task, *arguments, steps: int = 5, **options) -> int:
        choices = [f"default_hooks.checkpoint.{name}={value}" for name, value in options.items()]
        command = training(data, folder, steps * 4 / 1000, *choices)
        process = start(log, task, *arguments, *command, "--resume")
        process.join()
        return process.exitcode

    def newest() -> str:
        assert not [path for path in folder.glob(".*") if ".tmp" in path.name]
        return newest_whole_checkpoint(folder).name

    assert status(train, steps=2) == 0
    size, limited = (folder / "iter_2.pth").stat().st_size, (train,)
    if limit == "size of files":
        limited = train_with_small_files, size // 2
    else:
        shutil.move(folder, tmp_path / "kept")
        if not resize(disk, round(2.5 * size)):
            pytest.skip("only root may mount a file system")
        shutil.copytree(tmp_path / "kept", folder)
    assert status(*limited) == 2
    said = log.read_text()
    assert f"train.py: error: checkpoint: cannot be written ({folder / 'iter_3.pth'}: " in said
    assert newest() == "iter_2.pth"
    assert status(*limited, on_save_error="go_on") == 0
    assert "training goes on without it" in log.read_text() and newest() == "iter_2.pth"
    resize(disk, 100 * size, "remount")
    assert status(train) == 0 and newest() == "iter_5.pth"
    record_property("said", said.rpartition("iter_3.pth: ")[2].partition(")")[0])
