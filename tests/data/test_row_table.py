"""Lists of names survive every legal file name; tables with rows that are not finite are refused."""

import os

import numpy as np
import pytest

from projects.threedgp.data import row_table
from projects.threedgp.data.row_table import RowTable, read_names, write_names

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


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("dtype", [np.float16, np.float32])
def test_rows_that_are_not_finite_are_counted_and_the_first_is_named(tmp_path, monkeypatch, value, dtype):
    monkeypatch.setattr(row_table, "ROWS_AT_ONCE", 4)
    rows = np.ones((11, 3), dtype)
    (tmp_path / "f.txt").write_text("\n".join(f"a/{i}.png" for i in range(11)) + "\n")
    np.save(tmp_path / "f.npy", rows)
    assert len(RowTable(tmp_path / "f.npy")) == 11
    rows[[6, 9], 2] = value
    np.save(tmp_path / "f.npy", rows)
    message = r"features='.*f.npy': 2 of 11 rows hold NaN or infinity, the first is row 6 \(a/6.png\)"
    with pytest.raises(ValueError, match=message):
        RowTable(tmp_path / "f.npy", field="features")


def test_a_table_without_rows_opens(tmp_path):
    np.save(tmp_path / "f.npy", np.ones((0, 3)))
    (tmp_path / "f.txt").write_text("")
    assert len(RowTable(tmp_path / "f.npy")) == 0


def test_a_zero_byte_in_the_names_is_named(tmp_path):
    (tmp_path / "names.txt").write_text("a.png\nb\0.png\n")
    with pytest.raises(ValueError, match=r"names\.txt: got no list of names"):
        read_names(tmp_path / "names.txt")
