"""Which checkpoint is the newest whole one, and what is said about files that are none."""

import os
import shutil
from pathlib import Path

import pytest
import torch

from projects.threedgp.apis.loading import load_model
from projects.threedgp.engine import checkpoint_loading
from projects.threedgp.engine.checkpoint_loading import (
    differing_classes,
    is_whole,
    newest_whole_checkpoint,
    read_checkpoint,
)
from projects.threedgp.errors import UserError

ZOO = Path(__file__).resolve().parents[2] / "projects" / "threedgp" / "zoo"


def run_folder(folder: Path, steps=(2, 4, 10), last: str | None = "iter_10.pth") -> Path:
    """A work folder with checkpoints; ``last_checkpoint`` holds an absolute path as the toolkit writes it."""
    folder.mkdir()
    for step in steps:
        torch.save(
            dict(state_dict=dict(weight=torch.full((1000,), float(step)))), folder / f"iter_{step}.pth"
        )
    if last is not None:
        (folder / "last_checkpoint").write_text(str(folder / last))
    return folder


def cut(path: Path, size: int = 700) -> None:
    os.truncate(path, size)


def damage(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 255
    path.write_bytes(content)


def test_the_one_that_is_named_comes_first(tmp_path):
    # Later steps are left over from an earlier, longer training in the same folder.
    folder = run_folder(tmp_path / "run", last="iter_4.pth")
    assert newest_whole_checkpoint(folder) == folder / "iter_4.pth"
    cut(folder / "iter_4.pth")
    assert newest_whole_checkpoint(folder) == folder / "iter_2.pth"


@pytest.mark.parametrize(
    "pointer", [None, "", "\0\0\0", "run/iter_1", "/gone/run/iter_6.pth", "iter_10.pth\n"]
)
def test_without_a_usable_name_the_latest_step_counts(tmp_path, pointer):
    folder = run_folder(tmp_path / "run", last=None)
    if pointer is not None:
        (folder / "last_checkpoint").write_text(pointer)
    assert newest_whole_checkpoint(folder) == folder / "iter_10.pth"


@pytest.mark.parametrize("bring", [shutil.move, shutil.copytree])
def test_a_folder_that_was_moved_or_copied_uses_its_own_files(tmp_path, bring):
    folder = run_folder(tmp_path / "run")
    there = tmp_path / "elsewhere"
    bring(str(folder), str(there))
    assert newest_whole_checkpoint(there) == there / "iter_10.pth"


@pytest.mark.parametrize(
    "spoil", [cut, damage, lambda path: cut(path, 0), lambda path: path.write_text("no")]
)
def test_a_spoilt_newest_file_is_left_out_and_both_are_named(tmp_path, monkeypatch, spoil):
    said: list[str] = []
    monkeypatch.setattr(checkpoint_loading, "print_log", lambda message, **_: said.append(message))
    folder = run_folder(tmp_path / "run")
    spoil(folder / "iter_10.pth")
    assert newest_whole_checkpoint(folder) == folder / "iter_4.pth"
    assert said == [
        f"iter_10.pth: cut or damaged, goes on from the newest whole checkpoint, {folder / 'iter_4.pth'}"
    ]


def test_if_none_is_whole_that_is_said_in_one_error(tmp_path):
    folder = run_folder(tmp_path / "run", steps=(2, 4), last="iter_4.pth")
    for step in (2, 4):
        cut(folder / f"iter_{step}.pth")
    with pytest.raises(
        ValueError, match=r"none of the checkpoints in .*run is whole \(iter_4.pth, iter_2.pth\)"
    ):
        newest_whole_checkpoint(folder)


def test_an_empty_folder_has_none(tmp_path):
    assert newest_whole_checkpoint(tmp_path) is None
    assert newest_whole_checkpoint(tmp_path / "missing") is None


def test_best_checkpoints_and_unfinished_files_are_no_candidates(tmp_path):
    folder = run_folder(tmp_path / "run", steps=(2,), last=None)
    for name in ("best_FID_fid_iter_8.pth", ".iter_9.1.tmp.pth"):
        shutil.copy(folder / "iter_2.pth", folder / name)
    assert newest_whole_checkpoint(folder) == folder / "iter_2.pth"


def test_files_that_are_no_checkpoints_are_named(tmp_path):
    folder = run_folder(tmp_path / "run", steps=(2,))
    path = folder / "iter_2.pth"
    assert is_whole(path) and read_checkpoint(path)["state_dict"]["weight"][0] == 2
    cut(path)
    assert not is_whole(path)
    with pytest.raises(ValueError, match=r"iter_2.pth' is cut, damaged or none"):
        read_checkpoint(path)
    torch.save([1], path)
    with pytest.raises(ValueError, match=r"got a list in .*iter_2.pth', wanted a dict"):
        read_checkpoint(path)
    with pytest.raises(FileNotFoundError, match=r"checkpoint: got '.*missing.pth', wanted an existing file"):
        read_checkpoint(folder / "missing.pth")


def test_classes_that_differ_are_shown_from_where_they_do():
    names = tuple(f"c{i}" for i in range(20))
    swapped = (*names[:7], names[8], names[7], *names[9:])
    assert differing_classes(names, names) is None
    assert differing_classes(None, names) is None and differing_classes(names, None) is None
    assert differing_classes(names, swapped, shown=2) == (
        "its 20 classes and the 20 wanted are the same in another order, from label 7 on: "
        "['c7', 'c8'] and 11 more in the checkpoint, ['c8', 'c7'] and 11 more wanted"
    )
    assert "3 classes and the 2 wanted are others, from label 2 on: ['c2'] in the checkpoint, [] wanted" in (
        differing_classes(names[:3], names[:2]) or ""
    )


def test_a_checkpoint_of_before_loads_and_its_classes_are_compared(tmp_path):
    model, names = load_model(ZOO / "toy32.py", ZOO / "toy32.pth", "cpu")
    assert model.kimg == 64 and names is not None and names[:2] == ("box", "box_on_cylinder")
    config = (
        (ZOO / "toy32.py")
        .read_text()
        .replace("'box',\n    'box_on_cylinder'", "'box_on_cylinder',\n    'box'")
    )
    (tmp_path / "swapped.py").write_text(config)
    with pytest.raises(ValueError, match="same in another order, from label 0 on"):
        load_model(tmp_path / "swapped.py", ZOO / "toy32.pth", "cpu")


@pytest.mark.parametrize("text", [b"hello\n", b"cnowhere\nthing\n.", b"K\x01.", b"}]a.", b"\x80\x99"])
def test_other_files_are_named_whatever_they_hold(tmp_path, text):
    path = tmp_path / "notes.pth"
    path.write_bytes(text)
    with pytest.raises(ValueError, match=r"notes.pth"):
        read_checkpoint(path)


ONES = torch.ones(3)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (
            dict(state_dict=dict(a=ONES, b=ONES * torch.nan)),
            "1 tensor with numbers that are not finite.* b; w",
        ),
        (dict(state_dict=dict(a=-ONES / 0)), "not finite"),
        (dict(state_dict=dict(a="a")), "state_dict: got a str as 'a', wanted tensors"),
        (dict(state_dict={7: ONES}), "state_dict: got a Tensor as 7"),
        (dict(state_dict=[ONES]), "state_dict: got a list, wanted a dict"),
        (dict(meta={}, weights=3), "got no state_dict"),
        (dict(state_dict=None), "state_dict: got a NoneType, wanted a dict"),
        (dict(state_dict={}, meta=[1]), "meta: got a list, wanted a dict"),
    ],
)
def test_what_is_no_weights_or_broken_ones_is_refused(tmp_path, content, message):
    torch.save(content, tmp_path / "a.pth")
    with pytest.raises(UserError, match=rf"a\.pth': .*{message}"):
        read_checkpoint(tmp_path / "a.pth")


def test_the_config_that_the_toolkit_would_run_when_it_resumes_is_dropped(tmp_path):
    torch.save(dict(state_dict={}, meta=dict(config="open('mark', 'w')", iter=3)), tmp_path / "a.pth")
    assert read_checkpoint(tmp_path / "a.pth")["meta"] == dict(iter=3)
