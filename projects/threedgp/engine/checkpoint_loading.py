"""The one door through which checkpoints come in, and which of a run's is the newest whole one."""

import logging
import os
import re
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlparse

import torch
from mmengine.dist import barrier, get_rank
from mmengine.logging import print_log
from mmengine.runner import CheckpointLoader

from ..errors import UserError
from ..training.state_dicts import not_finite
from ..whole_files import is_whole, whole_file
from ..wording import counted
from .plain_unpickling import load_plain

POINTER = "last_checkpoint"
_STEP = re.compile(r"(?:iter|epoch)_(\d+)\.pth")

ClassNames = tuple[str, ...] | None


def read_checkpoint(source: str | Path, map_location: Any | None = "cpu") -> dict[str, Any]:
    """Read a checkpoint, as the Runner, the inferencer and the converters all do.

    Args:
        source: Path or URL.
        map_location: As in :func:`torch.load`.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If the file is cut, damaged or no checkpoint.
    """
    stored = CheckpointLoader.load_checkpoint(str(source), map_location, logger="silent")
    if not isinstance(stored, dict):
        raise ValueError(f"checkpoint: got a {type(stored).__name__} in {str(source)!r}, wanted a dict")
    return stored


def class_names(holder: Any) -> ClassNames:
    """Names of the classes in the order of their labels, if metainfo, or a config of data, has them."""
    names = holder.get("classes") if isinstance(holder, Mapping) else None
    return tuple(map(str, names)) if isinstance(names, list | tuple) and names else None


def stored_class_names(checkpoint: Mapping[str, Any]) -> ClassNames:
    """Names of the classes that a checkpoint was trained on, if it knows them."""
    return class_names(meta_of(checkpoint).get("dataset_meta"))


def meta_of(checkpoint: Mapping[str, Any]) -> Mapping[str, Any]:
    """What a checkpoint says about itself."""
    return checkpoint.get("meta") or {}


def differing_classes(stored: ClassNames, present: ClassNames, shown: int = 5) -> str | None:
    """Say how two lists of classes differ, from the first label on at which they do.

    Args:
        stored: Classes of the checkpoint; None if it does not know them.
        present: Classes of the data or the config.
        shown: How many names of each list to give.

    Returns:
        Both lists, shortened; None if they agree or one of them is unknown.
    """
    if stored is None or present is None or stored == present:
        return None
    pairs = zip(stored, present, strict=False)
    first = next((i for i, (a, b) in enumerate(pairs) if a != b), min(len(stored), len(present)))

    def excerpt(names: tuple[str, ...]) -> str:
        rest = len(names) - first - shown
        return f"{list(names[first : first + shown])}" + (f" and {rest} more" if rest > 0 else "")

    order = "the same in another order" if sorted(stored) == sorted(present) else "others"
    return (
        f"its {counted(len(stored), 'class')} and the {len(present)} wanted are {order}, from label {first} "
        f"on: {excerpt(stored)} in the checkpoint, {excerpt(present)} wanted"
    )


def newest_whole_checkpoint(folder: str | Path) -> Path | None:
    """Find where a run in this folder can go on.

    The file that ``last_checkpoint`` names comes first, looked for in this folder since the path in it may
    be that of a folder that was moved or copied; then the others, the latest step first.

    Args:
        folder: Work folder of a training.

    Returns:
        The newest whole checkpoint; None if there is no checkpoint.

    Raises:
        ValueError: If there are checkpoints and none of them is whole.
    """
    damaged: list[str] = []
    for path in _candidates(Path(folder)):
        if is_whole(path):
            if damaged:
                print_log(
                    f"{', '.join(damaged)}: cut or damaged, goes on from the newest whole checkpoint, {path}",
                    logger="current",
                    level=logging.WARNING,
                )
            return path
        damaged.append(path.name)
    if damaged:
        raise ValueError(
            f"resume: none of the checkpoints in {folder} is whole ({', '.join(damaged)}); "
            "remove them to begin a new training"
        )
    return None


def whole_checkpoint_before(folder: str | Path, step: int) -> Path | None:
    """Find the newest whole checkpoint of a training that is not later than some step.

    Args:
        folder: Work folder of the training.
        step: The step.

    Returns:
        The checkpoint; None if there is none.
    """
    found = ((_STEP.fullmatch(path.name), path) for path in Path(folder).glob("iter_*.pth"))
    steps = {int(match[1]): path for match, path in found if match}
    before = sorted((number for number in steps if number <= step), reverse=True)
    return next((steps[number] for number in before if is_whole(steps[number])), None)


def _candidates(folder: Path) -> list[Path]:
    steps = {
        path: int(match[1])
        for path in folder.glob("*.pth")
        if (match := _STEP.fullmatch(path.name)) and path.is_file()
    }
    named = _named_by_pointer(folder)
    here = None if named is None else folder / named.name
    # After the named one what came before it: later steps would be left over from an earlier training.
    limit = steps.get(here, -1) if here is not None else -1
    ordered = sorted(steps, key=lambda path: (path == here, steps[path] < limit, steps[path]), reverse=True)
    if here is not None and here not in steps and here.is_file():
        ordered.insert(0, here)
    elif named is not None and not ordered and named.is_file():
        ordered = [named]
    return ordered


def _named_by_pointer(folder: Path) -> Path | None:
    try:
        text = (folder / POINTER).read_text(encoding="utf-8", errors="surrogateescape").strip()
    except OSError:
        return None
    return Path(text) if text and "\0" not in text else None


def load_from_local(filename: str, map_location: Any | None = None) -> Any:
    """Load a checkpoint from a local file; nothing in it is run, see ``plain_unpickling``.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it is damaged or none, or holds what could run code.
    """
    filename = os.path.expanduser(filename)
    if not os.path.isfile(filename):
        raise FileNotFoundError(f"checkpoint: got {filename!r}, wanted an existing file")
    if zipfile.is_zipfile(filename) and not is_whole(filename):
        raise ValueError(f"checkpoint: {filename!r} is cut or damaged, its check sums do not hold")
    try:
        stored = load_plain(filename, map_location)
    except UserError:
        raise
    except Exception as error:  # unpickling what is no pickle raises whatever the bytes ask for
        raise UserError(f"checkpoint: {filename!r} is cut, damaged or none ({error})") from error
    if isinstance(stored, dict):
        _check_contents(stored, filename)
    return stored


def _check_contents(stored: dict[Any, Any], filename: str) -> None:
    """Refuse a file that is whole, and yet holds no weights where they should be, or broken ones."""
    meta, state = stored.get("meta"), stored.get("state_dict", {})
    if not isinstance(meta, dict | None):
        raise UserError(f"checkpoint: {filename!r}: meta: got a {type(meta).__name__}, wanted a dict")
    if "meta" in stored and "state_dict" not in stored:
        raise UserError(f"checkpoint: {filename!r}: got no state_dict, wanted the weights of a model")
    if meta:
        meta.pop("config", None)  # which the toolkit would run, see Runner.resume
    if not isinstance(state, dict):
        raise UserError(f"checkpoint: {filename!r}: state_dict: got a {type(state).__name__}, wanted a dict")
    for name, value in state.items():
        if not isinstance(name, str) or not isinstance(value, torch.Tensor):
            kind = type(value).__name__
            raise UserError(f"checkpoint: {filename!r}: state_dict: got a {kind} as {name!r}, wanted tensors")
    if broken := not_finite(state):
        raise UserError(
            f"checkpoint: {filename!r}: {counted(len(broken), 'tensor')} with numbers that are not finite, "
            f"the first is {broken[0]}; wanted the weights of a sound training"
        )


def load_from_url(url: str, map_location: Any | None = None) -> Any:
    """Download a checkpoint, once, and load it as ``load_from_local`` does.

    Raises:
        FileNotFoundError: If it cannot be had.
        ValueError: As of ``load_from_local``.
    """
    path = Path(torch.hub.get_dir(), "checkpoints", Path(urlparse(url).path).name)
    if get_rank() == 0 and not path.is_file():
        try:
            with whole_file(path) as passing:
                torch.hub.download_url_to_file(url, str(passing))
        except OSError as error:
            raise FileNotFoundError(f"checkpoint: {url} cannot be downloaded ({error})") from error
    barrier()
    return load_from_local(str(path), map_location)


def _refuse(name: str, map_location: Any | None = None) -> Any:
    """Refuse the toolkit's other ways to name a checkpoint, which would run what is in it."""
    raise ValueError(f"checkpoint: got {name!r}, wanted a path, or a URL that begins with https://")


_STORES = [r"(\S+\:)?s3", r"(\S+\:)?petrel", "pavi"]
_OTHERS = ["modelzoo", "torchvision", "open-mmlab", "openmmlab", "mmcls", *_STORES]
CheckpointLoader.register_scheme(prefixes="", loader=load_from_local, force=True)
CheckpointLoader.register_scheme(prefixes=("http://", "https://"), loader=load_from_url, force=True)
CheckpointLoader.register_scheme(prefixes=[f"{name}://" for name in _OTHERS], loader=_refuse, force=True)
