"""A file is the old one or the new one."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from projects.threedgp.whole_files import HOST, whole_file, whole_folder


def test_a_file_appears_when_it_is_whole_in_a_folder_that_is_made(tmp_path):
    path = tmp_path / "new" / "file.txt"
    with whole_file(path) as passing:
        passing.write_text("whole")
        assert not path.exists()
    assert path.read_text() == "whole"
    assert [item.name for item in path.parent.iterdir()] == ["file.txt"]


def test_a_failure_leaves_the_old_file_and_nothing_else(tmp_path):
    path = tmp_path / "file.txt"
    path.write_text("old")
    with pytest.raises(OSError, match="disk full"), whole_file(path) as passing:
        passing.write_text("ne")
        raise OSError("disk full")
    assert path.read_text() == "old"
    assert [item.name for item in tmp_path.iterdir()] == ["file.txt"]


def test_the_data_is_on_the_disk_before_the_name_is_given(tmp_path, monkeypatch):
    order = []
    monkeypatch.setattr("projects.threedgp.whole_files._sync", lambda path: order.append(path.name))
    path = tmp_path / "file.txt"
    monkeypatch.setattr("os.replace", lambda *names: order.append("replace"))
    with whole_file(path) as passing:
        passing.write_text("whole")
    assert order == [f".file.{HOST}-{os.getpid()}.tmp.txt", "replace", tmp_path.name]


KILLED = """
import os, signal, sys
from pathlib import Path
from projects.threedgp.whole_files import whole_file, whole_folder
folder, pause = Path(sys.argv[1]), sys.argv[2]
with whole_file(folder / "file.txt") as file, whole_folder(folder / "out") as out:
    file.write_text("half")
    (out / "half.txt").touch()
    print("begun", flush=True)
    if pause == "wait":
        sys.stdin.read()
    os.kill(os.getpid(), signal.SIGKILL)
"""


def start(folder, pause):
    """A process that writes into a folder, and kills itself in the middle of it, or waits there."""
    command, root = [sys.executable, "-c", KILLED, str(folder), pause], Path(__file__).resolve().parents[1]
    pipes = dict(stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    process = subprocess.Popen(command, cwd=root, text=True, **pipes)
    assert process.stdout.readline() == "begun\n"
    return process


def test_what_a_killed_process_left_is_cleared_by_the_next_and_a_living_ones_is_not(tmp_path):
    killed, living = start(tmp_path, "kill"), start(tmp_path, "wait")
    try:
        assert killed.wait(timeout=60) == -signal.SIGKILL
        assert len(list(tmp_path.iterdir())) == 4
        with whole_file(tmp_path / "another.txt") as passing:
            passing.touch()
        left = [path.name for path in tmp_path.iterdir() if path.name.startswith(".")]
        assert sorted(left) == [f".file.{HOST}-{living.pid}.tmp.txt", f".out.{HOST}-{living.pid}.new"]
    finally:
        living.communicate()


def test_a_folder_that_was_just_being_replaced_comes_back(tmp_path):
    gone = start(tmp_path / "elsewhere", "kill")
    gone.wait(timeout=60)
    old = tmp_path / f".out.{HOST}-{gone.pid}.old"
    old.mkdir()
    (old / "file.txt").touch()
    with whole_folder(tmp_path / "another"):
        pass
    assert (tmp_path / "out" / "file.txt").exists() and not old.exists()


def test_another_machines_leftovers_stay(tmp_path):
    theirs = tmp_path / ".file.another.host-1.tmp.txt"
    theirs.touch()
    with whole_file(tmp_path / "file.txt") as passing:
        passing.touch()
    assert theirs.exists()
