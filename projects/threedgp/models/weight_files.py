"""Reading weights of networks that others trained: whole, finite, and without running anything."""

import os
import zipfile
from collections.abc import Mapping

import torch
from torch import Tensor

from ..whole_files import is_whole


def read_weights(path: str, field: str = "checkpoint") -> dict[str, Tensor]:
    """Read a state dict.

    Args:
        path: What ``torch.save`` wrote of it, or of ``{'state_dict': ...}``; or ``.safetensors``, which
            has no check sums.
        field: Name of the config field, for errors.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it is damaged, holds something else, or numbers that are not finite.
    """
    file = os.path.expanduser(path)
    if not os.path.isfile(file):
        raise FileNotFoundError(f"{field}={path!r}: file does not exist; wanted the weights of the network")
    if zipfile.is_zipfile(file) and not is_whole(file):
        raise ValueError(f"{field}={path!r} is cut or damaged, its check sums do not hold")
    try:
        state = _read(file)
    except Exception as error:  # what is no file of weights fails in as many ways as there are bytes
        raise ValueError(f"{field}={path!r} is no file of weights: {error}") from error
    if broken := [name for name, value in state.items() if not value.isfinite().all()]:
        raise ValueError(f"{field}={path!r}: {broken[0]} holds NaN or infinity, wanted finite weights")
    return state


def _read(file: str) -> dict[str, Tensor]:
    if file.endswith(".safetensors"):
        from safetensors.torch import load_file

        return load_file(file)
    stored = torch.load(file, map_location="cpu", weights_only=True)
    state = stored.get("state_dict", stored)
    if not isinstance(state, Mapping) or not all(isinstance(value, Tensor) for value in state.values()):
        raise TypeError("wanted tensors by name")
    return dict(state)
