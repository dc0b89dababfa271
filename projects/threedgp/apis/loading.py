"""Trained models from a config and a checkpoint."""

import copy
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from mmagic.registry import MODELS
from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmengine.runner import load_state_dict

from ..engine.checkpoint_loading import ClassNames, class_names, read_checkpoint, stored_class_names
from ..engine.whole_checkpoint_hook import check_classes
from ..training.threedgp import ThreeDGP

SAMPLING_ONLY = "sampling_only"
"""Key in a checkpoint's ``meta`` that says: as of ``tools/model_converters/slim.py``."""

_NOT_FOR_SAMPLING: dict[str, Any] = dict(
    discriminator=None,
    ema_config=None,
    r1=None,
    distillation=None,
    camera_regularizers=[],
    patch_sampler=None,
    blur_fade=None,
)


def load_model(
    config: str | Path | Config,
    checkpoint: str | Path | None = None,
    device: torch.device | str | None = None,
) -> tuple[ThreeDGP, ClassNames]:
    """Build the model of a config for inference and load a checkpoint into it.

    Of a checkpoint for sampling only, the model has the averaged generator as its only one; tensors in half
    precision become float32.

    Args:
        config: A config with a ``model``, or the path of one.
        checkpoint: Path or URL of a checkpoint; None leaves the model untrained.
        device: Where to put it; None for CUDA if there is one.

    Returns:
        The model, in evaluation mode, and the names of its classes in the order of their labels, if
        the checkpoint or the config knows them.

    Raises:
        FileNotFoundError: If the config or the checkpoint does not exist.
        ValueError: If the config's model is no ``ThreeDGP``, or the checkpoint is none or does not fit it, or
            has other classes than the config names.
    """
    config = config if isinstance(config, Config) else Config.fromfile(str(config))
    init_default_scope("mmagic")
    stored = {} if checkpoint is None else read_checkpoint(checkpoint)
    meta = stored.get("meta") or {}
    model = _build(sampling_config(config) if meta.get(SAMPLING_ONLY) else config.get("model") or {})
    if checkpoint is not None:
        weights = stored.get("state_dict", stored)
        load_state_dict(model, {name.removeprefix("module."): value for name, value in weights.items()})
    known, wanted = stored_class_names(stored), _find_class_names(config)
    if model.num_classes:
        check_classes(known, wanted, str(checkpoint), model.strict_load)
    names = known or wanted
    if names is not None and len(names) != (model.num_classes or 0):
        names = None
    device = device or ("cuda" if torch.cuda.is_available() else "cpu")
    return model.to(device).eval(), names


def sampling_config(config: Config) -> dict[str, Any]:
    """Return the ``model`` of a config without all that only training uses.

    Its one generator, which is not averaged, is what a checkpoint for sampling only fits.
    """
    settings = copy.deepcopy(dict(config.get("model") or {}))
    for name in ("teacher", "adversarial_loss", "micro_batch_size"):
        settings.pop(name, None)
    return settings | copy.deepcopy(_NOT_FOR_SAMPLING) if settings else settings


def _build(given: Mapping[str, Any]) -> ThreeDGP:
    settings = copy.deepcopy(dict(given))
    # The teacher serves training alone, has no weights in checkpoints and may want a download.
    settings.pop("teacher", None)
    model = MODELS.build(settings) if "type" in settings else None
    if not isinstance(model, ThreeDGP):
        raise ValueError(f"config.model.type: got {settings.get('type')!r}, wanted 'ThreeDGP'")
    return model


def _find_class_names(config: Config) -> ClassNames:
    datasets: list[Any] = [config.get("metainfo")]
    for loader in ("train_dataloader", "val_dataloader", "test_dataloader"):
        dataset = (config.get(loader) or {}).get("dataset") or {}
        datasets += [dataset, dataset.get("metainfo")]
    return next((names for names in map(class_names, datasets) if names), None)
