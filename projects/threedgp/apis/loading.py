"""Trained models from a config and a checkpoint."""

import copy
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from mmagic.registry import MODELS
from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmengine.runner import load_checkpoint

from ..models.threedgp import ThreeDGP

ClassNames = tuple[str, ...] | None


def load_model(
    config: str | Path | Config,
    checkpoint: str | Path | None = None,
    device: torch.device | str | None = None,
) -> tuple[ThreeDGP, ClassNames]:
    """Build the model of a config for inference and load a checkpoint into it.

    Args:
        config: A config with a ``model``, or the path of one.
        checkpoint: Path or URL of a checkpoint; None leaves the model untrained.
        device: Where to put it; None for CUDA if there is one.

    Returns:
        The model, in evaluation mode, and the names of its classes in the order of their labels, if
        the checkpoint or the config knows them.

    Raises:
        FileNotFoundError: If the config or the checkpoint does not exist.
        ValueError: If the config's model is no ``ThreeDGP``, or the checkpoint does not fit it.
    """
    config = config if isinstance(config, Config) else Config.fromfile(str(config))
    init_default_scope("mmagic")
    model = _build(config)
    names = _find_class_names(config)
    if checkpoint is not None:
        names = _load(model, str(checkpoint)) or names
    if names is not None and len(names) != (model.num_classes or 0):
        names = None
    device = device or ("cuda" if torch.cuda.is_available() else "cpu")
    return model.to(device).eval(), names


def _build(config: Config) -> ThreeDGP:
    settings = copy.deepcopy(config.get("model") or {})
    # The teacher serves training alone, has no weights in checkpoints and may want a download.
    settings.pop("teacher", None)
    model = MODELS.build(settings) if "type" in settings else None
    if not isinstance(model, ThreeDGP):
        raise ValueError(f"config.model.type: got {settings.get('type')!r}, wanted 'ThreeDGP'")
    return model


def _load(model: ThreeDGP, checkpoint: str) -> ClassNames:
    if "://" not in checkpoint and not Path(checkpoint).expanduser().is_file():
        raise FileNotFoundError(f"checkpoint: got {checkpoint!r}, wanted an existing file")
    stored = load_checkpoint(model, checkpoint, map_location="cpu")
    return _names_in((stored.get("meta") or {}).get("dataset_meta"))


def _find_class_names(config: Config) -> ClassNames:
    datasets: list[Any] = [config.get("metainfo")]
    for loader in ("train_dataloader", "val_dataloader", "test_dataloader"):
        dataset = (config.get(loader) or {}).get("dataset") or {}
        datasets += [dataset, dataset.get("metainfo")]
    return next((names for names in map(_names_in, datasets) if names), None)


def _names_in(holder: Any) -> ClassNames:
    names = holder.get("classes") if isinstance(holder, Mapping) else None
    return tuple(map(str, names)) if isinstance(names, list | tuple) and names else None
