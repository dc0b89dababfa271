"""A file is the old one or the new one."""

import os

import pytest

from projects.threedgp.whole_files import whole_file


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
    assert order == [f".file.{os.getpid()}.tmp.txt", "replace", tmp_path.name]
