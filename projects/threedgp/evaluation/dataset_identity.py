"""A name for everything that the images of a dataset depend on, so that no cache outlives a change."""

import hashlib
import os
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import PIL
from mmengine.dataset import BaseDataset, pseudo_collate
from mmengine.structures import BaseDataElement
from torch import Tensor, nn

from .. import data
from ..random_states import RandomStream

STAT_THREADS = 16
STAT_CHUNK = 1024
PROBES = 3
TICK = 0.05
"""Seconds; a file system's clock ticks more often, so that a file which is older is not changed unseen."""

Stamp = tuple[int, int, int]


def dataset_digest(dataset: BaseDataset, preprocessor: nn.Module | None = None) -> str:
    """Return a digest that changes with the images which the dataset delivers.

    It covers the list of samples; size and times of each of their files; the settings and the pipeline; the
    code of ``data/`` and the versions of the libraries that decode; and, for whatever of these says too
    little, the delivered pixels of three samples.

    The content of all files would take as long to read as the statistics take that are kept under this name.
    A file's change time, which no program can set, tells of every rewrite, also of one that keeps size and
    modification time; it also tells of a move or copy of the folder, whose statistics are then made anew.

    Args:
        dataset: Any dataset of the toolkit, whose samples name their files with keys that end in ``_path``.
        preprocessor: What delivers the images; None for the samples as they are.
    """
    dataset.full_init()
    known = hashlib.sha256()
    for part in (_listing(dataset), _stamps(dataset), _settings(dataset), repr(dataset.pipeline), _code()):
        known.update(repr(part).encode())
    for array in _probe(dataset, preprocessor):
        known.update(repr((array.shape, array.dtype)).encode() + array.tobytes())
    return known.hexdigest()


def _listing(dataset: BaseDataset) -> str:
    if dataset.serialize_data:
        return hashlib.sha256(dataset.data_bytes.tobytes()).hexdigest()
    return repr(dataset.data_list)


def _stamps(dataset: BaseDataset) -> list[Stamp]:
    """Size, modification and change time of each file; waits until none was written this instant."""
    # The toolkit's method, as the dataset's own may read more than the list.
    infos = (BaseDataset.get_data_info(dataset, index) for index in range(len(dataset)))
    paths = [info[key] for info in infos for key in sorted(info) if key.endswith("_path")]
    stamps = _stat_all(paths)
    newest = max((changed for *_, changed in stamps), default=0)
    if time.time_ns() - newest < TICK * 1e9:
        time.sleep(TICK)
        stamps = _stat_all(paths)
    return stamps


def _stat_all(paths: list[str]) -> list[Stamp]:
    with ThreadPoolExecutor(STAT_THREADS) as pool:
        return list(pool.map(_stamp, paths, chunksize=STAT_CHUNK))


def _stamp(path: str) -> Stamp:
    found = os.stat(path)
    return found.st_size, found.st_mtime_ns, found.st_ctime_ns


def _settings(dataset: BaseDataset) -> dict[str, str]:
    """All plain attributes, such as the resolution."""
    plain = (int, float, str, bool, tuple, list, dict, type(None))
    settings = {name: repr(value) for name, value in vars(dataset).items() if isinstance(value, plain)}
    settings.pop("data_list", None)  # see _listing
    return settings


def _code() -> tuple[str, ...]:
    files = sorted(Path(next(iter(data.__path__))).rglob("*.py"))
    sources = hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()
    return sources, cv2.__version__, PIL.__version__, np.__version__


def _probe(dataset: BaseDataset, preprocessor: nn.Module | None) -> Iterator[np.ndarray]:
    """The arrays of the first, the last and samples between them, as they are delivered."""
    indices = np.unique(np.linspace(0, len(dataset) - 1, PROBES).astype(int))
    with RandomStream(0):
        samples: Any = [dataset[int(index)] for index in indices]
        if preprocessor is not None:
            samples = preprocessor(pseudo_collate(samples), False)
        yield from _arrays(samples)


def _arrays(node: Any) -> Iterator[np.ndarray]:
    if isinstance(node, Tensor):
        yield node.detach().cpu().numpy()
    elif isinstance(node, np.ndarray):
        yield node
    elif isinstance(node, BaseDataElement):
        yield from _arrays(dict(node.all_items()))
    elif isinstance(node, Mapping):
        for _, child in sorted(node.items(), key=lambda item: str(item[0])):
            yield from _arrays(child)
    elif isinstance(node, list | tuple):
        for child in node:
            yield from _arrays(child)
