"""Lets mmengine read the Runner's checkpoints with torch >= 2.6; importing this module does it."""

import inspect
import os
import pickle
from pathlib import Path
from typing import Any

import torch
from mmengine.runner import CheckpointLoader
from mmengine.runner import checkpoint as mmengine_checkpoint

from ..errors import blame


def load_from_local(filename: str, map_location: Any | None = None) -> dict:
    """Load a checkpoint of the Runner from a local file, whatever objects it holds.

    Unpickling can run code: load only checkpoints you trust.

    Args:
        filename: Path of the checkpoint; ``~`` is expanded.
        map_location: As in :func:`torch.load`.

    Raises:
        FileNotFoundError: If there is no such file.
    """
    filename = os.path.expanduser(filename)
    if not os.path.isfile(filename):
        raise FileNotFoundError(f"{filename} can not be found.")
    return torch.load(filename, map_location=map_location, weights_only=False)


def restore_local_checkpoint_loading() -> None:
    """Let mmengine read its own checkpoints with torch >= 2.6.

    Since torch 2.6 ``torch.load`` refuses everything but tensors unless told otherwise; the
    Runner's checkpoints hold mmengine's ``HistoryBuffer`` and numpy arrays. An mmengine that asks
    for them itself is left alone.
    """
    if "weights_only" not in inspect.getsource(mmengine_checkpoint.load_from_local):
        mmengine_checkpoint.CheckpointLoader.register_scheme(prefixes="", loader=load_from_local, force=True)


restore_local_checkpoint_loading()


def read_checkpoint(source: str | Path, map_location: Any | None = "cpu") -> dict[str, Any]:
    """Read a checkpoint, as the Runner, the inferencer and the converters all do.

    Args:
        source: Path or URL.
        map_location: As in :func:`torch.load`.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If the file is cut, damaged or no checkpoint.
    """
    with blame(f"checkpoint {source}", RuntimeError, pickle.UnpicklingError, EOFError, AttributeError):
        stored = CheckpointLoader.load_checkpoint(str(source), map_location, logger="silent")
    if not isinstance(stored, dict):
        raise ValueError(f"checkpoint: got a {type(stored).__name__} in {str(source)!r}, wanted a dict")
    return stored
