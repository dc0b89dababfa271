"""Lists of names survive every legal file name, and plain lists of before are read as before."""

import os

import pytest

from projects.threedgp.data.row_table import read_names, write_names

STRANGE = [
    "line\nend.png",
    "return\rx.png",
    "u\u2028x.png",
    "\x85.png",
    "tab\t.png",
    " space .png",
    '"q".png',
    '"',
]


def test_every_name_comes_back(tmp_path):
    names = [*STRANGE, os.fsdecode(b"caf\xe9.png"), "plain/ä.png"]
    write_names(tmp_path / "names.txt", names)
    assert read_names(tmp_path / "names.txt") == names


def test_plain_names_stand_as_they_are(tmp_path):
    write_names(tmp_path / "names.txt", ["a/x y.png", "ä.png"])
    assert (tmp_path / "names.txt").read_text(encoding="utf-8") == "a/x y.png\nä.png\n"


@pytest.mark.parametrize("text", ['a.png\n"q".png\n', 'a.png\r\n"q".png', 'a.png\n"q".png'])
def test_plain_lists_are_read(tmp_path, text):
    (tmp_path / "names.txt").write_text(text, newline="")
    assert read_names(tmp_path / "names.txt") == ["a.png", '"q".png']
