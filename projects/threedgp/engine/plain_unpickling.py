"""Reading torch files without running what is in them: tensors and plain values, and nothing else.

A checkpoint is a pickle, which may name any function and have it called. torch's own reader for weights only
refuses all but tensors and plain values. The Runner's checkpoints hold histories of logged values besides:
the classes that these need are listed here, and attributes are looked up in none but the histories' class.
"""

import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy._core.multiarray as multiarray
import torch
from mmengine.logging import HistoryBuffer

from ..errors import UserError

_WIDTHS = [f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)]
_NUMBERS = ["bool", "float16", "float32", "float64", *_WIDTHS]


def _method_of_history(owner: object, name: str) -> object:
    """Stand in for ``getattr``, which histories use to name their own methods."""
    if owner is not HistoryBuffer or not isinstance(name, str) or name.startswith("_"):
        raise pickle.UnpicklingError(f"attribute {name!r} of {owner!r}")
    return getattr(HistoryBuffer, name)


def _allowed() -> list[Callable | tuple[Callable, str]]:
    allowed: list[Callable | tuple[Callable, str]] = [
        HistoryBuffer,
        np.dtype,
        np.ndarray,
        (_method_of_history, "builtins.getattr"),
        *(type(np.dtype(name)) for name in _NUMBERS),
    ]
    # The names of NumPy 1 and 2, as files are read with another version than they were written with.
    for module in ("numpy.core.multiarray", "numpy._core.multiarray"):
        allowed += [(getattr(multiarray, name), f"{module}.{name}") for name in ("_reconstruct", "scalar")]
    return allowed


def load_plain(path: str | Path, map_location: Any | None = None) -> Any:
    """Load a file that ``torch.save`` wrote, unless it holds anything but tensors, arrays and plain values.

    Args:
        path: The file.
        map_location: As in :func:`torch.load`.

    Raises:
        UserError: If the file names anything else, which is not imported, let alone called; or is damaged.
        Exception: Whatever torch raises for files that are none.
    """
    try:
        with torch.serialization.safe_globals(_allowed()):
            return torch.load(path, map_location=map_location, weights_only=True)
    except pickle.UnpicklingError as error:
        # torch wraps the reason in advice to read the file in the way that runs code.
        reason = str(error.__context__ or error).split(". ")[0].strip()
        raise UserError(
            f"checkpoint: {str(path)!r} is damaged, or holds more than tensors and plain values ({reason}); "
            "as such files can run code, nothing in it was run"
        ) from None
