"""projects/threedgp/engine/work_folder.py: one training at a time, and none lost by accident."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from projects.threedgp.engine.work_folder import claim, spare_earlier_training
from projects.threedgp.errors import UserError
from projects.threedgp.whole_files import HOST

ROOT = Path(__file__).resolve().parents[2]
HOLDER = """
import sys, time
from projects.threedgp.engine.work_folder import claim
claim(sys.argv[1])
print("holds", flush=True)
time.sleep(600)
"""


@pytest.fixture
def holder(tmp_path):
    """Another process that trains in a folder."""
    command = [sys.executable, "-c", HOLDER, str(tmp_path / "run")]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT)
    assert process.stdout.readline() == "holds\n"
    yield process
    process.kill()
    process.communicate()


def test_a_second_training_is_refused_and_told_by_whom(tmp_path, holder):
    with pytest.raises(
        UserError, match=rf"--work-dir .*run: process {holder.pid} on \S+, since 20.*, trains"
    ):
        claim(tmp_path / "run")
    claim(tmp_path / "another")


def test_the_folder_is_free_when_its_holder_was_killed(tmp_path, holder):
    holder.send_signal(signal.SIGKILL)
    holder.wait()
    claim(tmp_path / "run")
    claim(tmp_path / "run")  # its own


def test_what_a_killed_one_was_about_to_write_is_removed(tmp_path):
    left = (".iter_3.node1-123.tmp.pth", ".last_checkpoint.n-1.tmp", "samples/.kimg_1.000.node1-1.tmp.png")
    living = f".curves.{HOST}-{os.getpid()}.tmp.png"
    kept = ("iter_2.pth", ".running", "samples/kimg_1.000.png", "notes.a-1.tmp.txt", ".hidden.txt", living)
    (tmp_path / "samples").mkdir()
    for name in left + kept:
        (tmp_path / name).touch()
    claim(tmp_path)
    found = [str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file()]
    assert sorted(found) == sorted(kept)


def test_only_the_first_process_holds_it(tmp_path, holder, monkeypatch):
    monkeypatch.setenv("RANK", "1")
    claim(tmp_path / "run")


@pytest.mark.parametrize("name", ["iter_2.pth", "best_FID_iter_4.pth"])
def test_an_earlier_training_is_spared(tmp_path, name):
    (tmp_path / name).touch()
    with pytest.raises(UserError, match=rf"holds a training already \({name}\); --resume.*--overwrite"):
        spare_earlier_training(tmp_path, overwrite=False)
    assert (tmp_path / name).exists()


def test_an_earlier_training_is_removed_if_asked_to(tmp_path):
    for name in ("iter_2.pth", "iter_4.pth", "best_a.pth", "last_checkpoint", "features.npy", "mine.pth"):
        (tmp_path / name).touch()
    spare_earlier_training(tmp_path, overwrite=True)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["features.npy", "mine.pth"]
