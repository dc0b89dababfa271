"""What dataset.json may hold, and what it may not."""

import json
from pathlib import Path

import pytest

from projects.threedgp.data.labels import labels_of, read_label_file, storage_remark

CAMERA = [0.5] * 25


def write(root: Path, labels: object) -> Path:
    (root / "dataset.json").write_text(json.dumps({"labels": labels}))
    return root


def test_without_the_file_the_first_folder_level_is_the_class(tmp_path):
    assert read_label_file(tmp_path) is None
    labels = labels_of(["b/x.png", "a/deep/y.png", "z.png"])
    assert labels.classes == ("a", "b")
    assert [labels.of(name) for name in ("b/x.png", "a/deep/y.png", "z.png", "c/x.png")] == [1, 0, -1, -1]
    assert labels.why_absent("z.png") == "lies in no class folder"
    assert labels.why_absent("c/x.png") == "class folder 'c' is not in classes"
    assert labels_of(["b/x.png"], classes=["b", "a"]).of("a/x.png") == 1


@pytest.mark.parametrize("form", [list, dict])
def test_labels_are_read_from_the_file(tmp_path, form):
    entries = [["00000/x.png", 2], ["./00000/y.png", 0]]
    file = read_label_file(write(tmp_path, entries if form is list else dict(entries)))
    labels = labels_of(["00000/x.png"], label_file=file)
    assert labels.classes == ("0", "1", "2")
    assert [labels.of(f"00000/{name}.png") for name in "xyz"] == [2, 0, -1]
    assert labels.why_absent("00000/z.png") == "has no label in dataset.json"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
def test_other_programs_ways_of_writing_are_read(tmp_path, encoding):
    text = json.dumps({"labels": [["x.png", 2.0], ["ä.png", 0]]}, ensure_ascii=False)
    (tmp_path / "dataset.json").write_text(text, encoding=encoding)
    assert read_label_file(tmp_path).labels == {"x.png": 2, "ä.png": 0}
    assert read_label_file(tmp_path).classes() == ("0", "1", "2")


def test_names_of_classes_sort_as_they_count(tmp_path):
    classes = read_label_file(write(tmp_path, [["x.png", 10]])).classes()
    assert classes[2] == "02" and list(classes) == sorted(classes) and len(classes) == 11


def test_given_names_must_suffice(tmp_path):
    file = read_label_file(write(tmp_path, [["x.png", 2]]))
    assert labels_of(["x.png"], ["cat", "dog", "owl"], file).classes == ("cat", "dog", "owl")
    with pytest.raises(ValueError, match="got 2 names, wanted 3"):
        labels_of(["x.png"], ["cat", "dog"], file)


@pytest.mark.parametrize(
    ("labels", "remark"),
    [
        (None, "no labels"),
        ([], "no labels"),
        ([["x.png", None]], "no labels"),
        ([["x.png", CAMERA], ["y.png", CAMERA]], "cameras of 2 images, which are not used"),
    ],
)
def test_a_file_without_classes_says_what_it_holds(tmp_path, labels, remark):
    file = read_label_file(write(tmp_path, labels))
    assert file.labels is None and remark in file.remark()
    with pytest.raises(ValueError, match="wanted classes, or conditional=False"):
        labels_of(["x.png"], label_file=file)


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ("x", 'got "x", wanted a list or null'),
        ([["x.png"]], r'got \["x.png"\], wanted \[name, label\]'),
        ([[1, 2]], r"got \[1, 2\], wanted"),
        ([["x.png", -1]], "x.png has the label -1, wanted an int from 0"),
        ([["x.png", True]], "x.png has the label true"),
        ([["x.png", 1.5]], "x.png has the label 1.5"),
        ([["x.png", "cat"]], 'x.png has the label "cat"'),
        ([["x.png", [1.0] * 24]], r"x.png has the label \[1.0, .*wanted .* a camera of 25 numbers"),
        ([["x.png", 0.5]], "x.png has the label 0.5, wanted an int"),
        ([["x.png", 10**9]], "x.png has the label 1000000000"),
        ([["x.png", 1], ["x.png", 2]], "x.png has the labels 1 and 2, wanted one"),
        ([["x.png", 1], ["y.png", None]], "some images have classes and others none; wanted one kind"),
    ],
)
def test_a_malformed_or_contradictory_file_is_one_clear_error(tmp_path, labels, message):
    with pytest.raises(ValueError, match=rf"dataset.json: .*{message}") as caught:
        read_label_file(write(tmp_path, labels))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("content", [b"{", b"\xff", b"[1]", b'{"images": []}'])
def test_a_file_of_something_else_is_one_clear_error(tmp_path, content):
    (tmp_path / "dataset.json").write_bytes(content)
    with pytest.raises(ValueError, match=r"dataset.json(: wanted| is no JSON)"):
        read_label_file(tmp_path)


@pytest.mark.parametrize(
    ("folders", "doubtful"),
    [(["00000", "01000"], True), (["00000", "cats"], False), (["0", "1"], False), ([], False)],
)
def test_folders_named_as_storage_are_doubted(folders, doubtful):
    assert (storage_remark(folders) is not None) == doubtful
