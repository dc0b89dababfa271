"""Stand-ins that make mmagic 1.2 importable and resumable with current packages.

Importing this module is all that is needed; it has to happen before ``mmagic.models``,
``mmagic.datasets`` or ``mmagic.apis`` is imported. Each remedy acts only where the real thing is
absent, so a full ``mmcv``, a real ``albumentations`` or a repaired ``mmengine`` wins.
"""

from __future__ import annotations

import importlib.util
import inspect
import os
import sys
from collections.abc import Callable
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

import torch
from mmengine.runner import checkpoint as mmengine_checkpoint
from mmengine.utils import digit_version

MMCV_EXT = "mmcv._ext"
ALBUMENTATIONS = "albumentations"


class MissingOps(ModuleType):
    """A module in which every op exists and raises only when it is called."""

    def __getattr__(self, name: str) -> Callable[..., Any]:
        # Dunder names are probed by the import system, by inspect and by pickle.
        if name.startswith("__") and name.endswith("__"):
            raise AttributeError(name)

        def missing_op(*args: Any, **kwargs: Any) -> None:
            raise RuntimeError(
                f'mmcv op "{name}" was called, but mmcv-lite is installed, which has no compiled '
                "ops. Install mmcv 2.1.0 with its ops to use the component that needs it."
            )

        return missing_op


def _is_absent(name: str) -> bool:
    return name not in sys.modules and importlib.util.find_spec(name) is None


def _register(module: ModuleType) -> None:
    # Some callers ask importlib for the spec of a loaded module, which fails if that is None.
    module.__spec__ = ModuleSpec(module.__name__, loader=None)
    sys.modules[module.__name__] = module


def stand_in_mmcv_ext() -> None:
    """Let ``mmcv.ops`` import without the binary that mmcv-lite leaves out.

    ``mmcv.ops`` checks with ``hasattr`` that every compiled op exists as soon as it is imported,
    and ``mmagic.models`` imports it although none of the ops is used here.
    """
    if _is_absent(MMCV_EXT):
        _register(MissingOps(MMCV_EXT))


def stand_in_albumentations() -> None:
    """Let ``mmagic.datasets`` import without albumentations.

    One of mmagic's transforms imports it unguarded. The real package would bring a second OpenCV
    (headless) into the same ``cv2`` folder.
    """
    if _is_absent(ALBUMENTATIONS):
        _register(ModuleType(ALBUMENTATIONS))


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
    Runner's checkpoints hold mmengine's ``HistoryBuffer`` and numpy arrays.
    """
    refuses_objects = digit_version(torch.__version__) >= digit_version("2.6.0")
    stock_loader = inspect.getsource(mmengine_checkpoint.load_from_local)
    if refuses_objects and "weights_only" not in stock_loader:
        mmengine_checkpoint.CheckpointLoader.register_scheme(prefixes="", loader=load_from_local, force=True)


stand_in_mmcv_ext()
stand_in_albumentations()
restore_local_checkpoint_loading()
