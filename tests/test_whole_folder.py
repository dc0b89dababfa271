"""A folder is the old one or the new one, never a mixture, and nothing else is left."""

import pytest

from projects.threedgp.whole_files import whole_folder


def test_a_new_folder_takes_the_place_of_an_old_one(tmp_path):
    out = tmp_path / "deep" / "out"
    for name in ("old.txt", "new.txt"):
        with whole_folder(out) as folder:
            assert folder != out
            (folder / name).touch()
    assert [path.name for path in out.iterdir()] == ["new.txt"]
    assert list(out.parent.iterdir()) == [out]


def test_a_failure_leaves_the_old_folder_and_nothing_else(tmp_path):
    with whole_folder(tmp_path / "out") as folder:
        (folder / "old.txt").touch()
    with pytest.raises(RuntimeError), whole_folder(tmp_path / "out") as folder:
        (folder / "new.txt").touch()
        raise RuntimeError
    assert [str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*")] == ["out", "out/old.txt"]
