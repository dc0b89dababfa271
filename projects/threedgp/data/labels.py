"""Class labels of images: the first folder level, or the `dataset.json` of StyleGAN's and EG3D's layout."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import Any

from ..wording import counted
from .images import shown

ABSENT = -1
LABEL_FILE = "dataset.json"
CAMERA_LENGTH = 25  # EG3D: a 4 x 4 camera-to-world matrix and a 3 x 3 matrix of intrinsics
MAX_CLASSES = 1_000_000
STORAGE_FOLDER = re.compile(r"\d{5}")  # how StyleGAN's tools name folders of 1000 images each


@dataclass(frozen=True)
class Labels:
    """The ordered classes of a data set, and what gives an image its label.

    Attributes:
        classes: Names in the order of the labels.
        listed: Label by image name; None if the first folder level is the class.
    """

    classes: tuple[str, ...]
    listed: Mapping[str, int] | None = None

    def of(self, name: str) -> int:
        """The label of an image, ABSENT (-1) if it has none."""
        if self.listed is not None:
            return self.listed.get(name, ABSENT)
        return self._numbers.get(_first_folder(name), ABSENT)

    @cached_property
    def _numbers(self) -> dict[str, int]:
        return {name: label for label, name in enumerate(self.classes)}

    def why_absent(self, name: str) -> str:
        """What is wrong with an image without a label."""
        if self.listed is not None:
            return f"has no label in {LABEL_FILE}"
        folder = _first_folder(name)
        return f"class folder {folder!r} is not in classes" if folder else "lies in no class folder"


@dataclass(frozen=True)
class LabelFile:
    """The content of a `dataset.json`.

    Attributes:
        path: The file.
        labels: Class by image name; None if the file has none.
        cameras: How many images have a camera.
    """

    path: Path
    labels: Mapping[str, int] | None
    cameras: int = 0

    def classes(self) -> tuple[str, ...]:
        """The numbers of the classes, as long as each other so that they sort as they count."""
        top = max((self.labels or {}).values(), default=-1)
        return tuple(f"{label:0{len(str(top))}d}" for label in range(top + 1))

    def remark(self) -> str:
        """What the file holds and what is done with it."""
        if self.labels is not None:
            images, classes = counted(len(self.labels), "image"), counted(len(self.classes()), "class")
            return f"{self.path}: labels of {images}, {classes}"
        if self.cameras:
            images = counted(self.cameras, "image")
            return f"{self.path}: cameras of {images}, which are not used: cameras are learned"
        return f"{self.path}: no labels"


def read_label_file(root: str | Path) -> LabelFile | None:
    """The labels that lie in a folder as `dataset.json`, None if there is no such file.

    The file holds `{"labels": [["name.png", label], ...]}` or `{"labels": null}`; a label is a class (an
    int), a camera as EG3D writes it (25 numbers), or null.

    Raises:
        ValueError: If the file holds anything else, or contradicts itself.
    """
    path = Path(root, LABEL_FILE)
    if not path.is_file():
        return None
    try:
        entries = _entries(json.loads(path.read_text(encoding="utf-8-sig")))
        return _as_label_file(path, entries)
    except (UnicodeDecodeError, RecursionError, json.JSONDecodeError) as error:
        raise ValueError(f"{shown(path)} is no JSON ({error})") from error
    except _Malformed as error:
        raise ValueError(f"{shown(path)}: {error}") from error


class _Malformed(Exception):
    """What a label file holds is not what it should."""


def _entries(content: Any) -> list[tuple[str, Any]]:
    if not isinstance(content, dict) or "labels" not in content:
        raise _Malformed('wanted {"labels": [[name, label], ...]} or {"labels": null}')
    labels = content["labels"]
    if isinstance(labels, dict):
        return list(labels.items())
    if labels is not None and not isinstance(labels, list):
        raise _Malformed(f"labels: got {_brief(labels)}, wanted a list or null")
    for entry in labels or ():
        if not isinstance(entry, list) or len(entry) != 2 or not isinstance(entry[0], str):
            raise _Malformed(f"labels: got {_brief(entry)}, wanted [name, label]")
    return [(name, label) for name, label in labels or ()]


def _as_label_file(path: Path, entries: Iterable[tuple[str, Any]]) -> LabelFile:
    found: dict[str, Any] = {}
    for name, label in entries:
        name = str(PurePosixPath(name))  # "./a.png" is "a.png"
        if isinstance(label, float) and label.is_integer():
            label = int(label)  # as NumPy and pandas write classes
        if name in found and found[name] != label:
            raise _Malformed(
                f"{shown(name)} has the labels {_brief(found[name])} and {_brief(label)}, wanted one"
            )
        found[name] = label
    kinds = {_kind(name, label) for name, label in found.items()}
    if len(kinds) > 1:
        raise _Malformed(f"some images have {' and others '.join(sorted(kinds))}; wanted one kind")
    kind = kinds.pop() if kinds else "none"
    return LabelFile(path, found if kind == "classes" else None, len(found) if kind == "cameras" else 0)


def _kind(name: str, label: Any) -> str:
    if label is None:
        return "none"
    if isinstance(label, int) and not isinstance(label, bool) and 0 <= label < MAX_CLASSES:
        return "classes"
    if isinstance(label, list) and len(label) == CAMERA_LENGTH and all(map(_is_number, label)):
        return "cameras"
    wanted = f"an int from 0 to {MAX_CLASSES - 1}, a camera of {CAMERA_LENGTH} numbers, or null"
    raise _Malformed(f"{shown(name)} has the label {_brief(label)}, wanted {wanted}")


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _brief(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) <= 40 else f"{text[:40]}..."


def labels_of(
    names: Sequence[str], classes: Sequence[str] | None = None, label_file: LabelFile | None = None
) -> Labels:
    """The labels of images by what there is.

    Args:
        names: The images.
        classes: Names in the order of the labels; default those found, sorted.
        label_file: What `dataset.json` says; its classes count, not the folders.

    Raises:
        ValueError: If there are no classes, or fewer names than classes.
    """
    if label_file is None:
        found = {_first_folder(name) for name in names} - {""}
        return Labels(tuple(sorted(found) if classes is None else classes))
    if label_file.labels is None:
        raise ValueError(f"{label_file.remark()}; wanted classes, or conditional=False")
    numbers = label_file.classes()
    if classes is not None and len(classes) < len(numbers):
        raise ValueError(
            f"classes: got {len(classes)} names, wanted {len(numbers)} for the labels of {label_file.path}"
        )
    return Labels(numbers if classes is None else tuple(classes), label_file.labels)


def storage_remark(classes: Sequence[str]) -> str | None:
    """A doubt about class folders that are named as StyleGAN's tools name theirs, which are no classes."""
    if not classes or not all(STORAGE_FOLDER.fullmatch(name) for name in classes):
        return None
    return (
        f"{len(classes)} folders {classes[0]} to {classes[-1]} are taken for classes, but are named as those "
        f"in which StyleGAN's tools only store images, and there is no {LABEL_FILE}"
    )


def _first_folder(name: str) -> str:
    folder, slash, _ = name.partition("/")
    return folder if slash else ""
