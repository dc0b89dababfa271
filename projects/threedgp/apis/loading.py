"""Trained models from a config and a checkpoint."""

import copy
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from mmagic.registry import MODELS
from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmengine.runner import load_state_dict

from ..engine.checkpoint_loading import ClassNames, class_names, meta_of, read_checkpoint, stored_class_names
from ..engine.config_check import LOADERS
from ..engine.run_config import merge_options, read_config, stored_config
from ..engine.whole_checkpoint_hook import check_classes
from ..errors import UserError, blame
from ..training.threedgp import ThreeDGP

SAMPLING_ONLY = "sampling_only"
"""Key in a checkpoint's ``meta`` that says: as of ``tools/model_converters/slim.py``."""

_NOT_FOR_SAMPLING: dict[str, Any] = dict(
    discriminator=None,
    ema_config=None,
    r1=None,
    distillation=None,
    camera_regularizers=[],
    generator_terms=[],
    style_mixing=None,
    pose_swap=None,
    patch_sampler=None,
    blur_fade=None,
)


def load_config(
    config: str | Path | Config | None, checkpoint: str | Path | None = None, options: Sequence[str] = ()
) -> Config:
    """Read the config of a model.

    Args:
        config: The config, or its path; None for the one that the checkpoint knows.
        checkpoint: The checkpoint, if there is one.
        options: Overrides such as `model.deterministic_eval=True`.

    Raises:
        UserError: If there is no such config, or it does not take an option.
    """
    if isinstance(config, Config):
        read = config
    elif config is not None:
        read = read_config(config)
    elif checkpoint is not None:
        read = stored_config(read_checkpoint(checkpoint), str(checkpoint))
    else:
        raise UserError("got neither a config nor a checkpoint, wanted one of them")
    merge_options(read, options)
    return read


def load_model(
    config: str | Path | Config | None,
    checkpoint: str | Path | None = None,
    device: torch.device | str | None = None,
) -> tuple[ThreeDGP, ClassNames]:
    """Build the model of a config for inference and load a checkpoint into it.

    Of a checkpoint for sampling only, the model has the averaged generator as its only one; tensors in half
    precision become float32.

    Args:
        config: A config with a ``model``, or the path of one; None for the one that the checkpoint knows.
        checkpoint: Path or URL of a checkpoint; None leaves the model untrained.
        device: Where to put it; None for CUDA if there is one.

    Returns:
        The model, in evaluation mode, and the names of its classes in the order of their labels, if
        the checkpoint or the config knows them.

    Raises:
        FileNotFoundError: If the checkpoint does not exist.
        ValueError: If the config cannot be read, or its model is no ``ThreeDGP``; if the checkpoint is none,
            does not fit it, or has other classes than the config names; or if there is no such device.
    """
    chosen = chosen_device(device)
    settings = load_config(config, checkpoint)
    init_default_scope("mmagic")
    stored = {} if checkpoint is None else read_checkpoint(checkpoint)
    meta = meta_of(stored)
    with blame("model", TypeError, ValueError, KeyError):
        model = _build(sampling_config(settings) if meta.get(SAMPLING_ONLY) else settings.get("model") or {})
    if checkpoint is not None:
        weights = stored.get("state_dict", stored)
        with blame(f"checkpoint {checkpoint}", ValueError):
            load_state_dict(model, {name.removeprefix("module."): value for name, value in weights.items()})
    known, wanted = stored_class_names(stored), _find_class_names(settings)
    if model.num_classes:
        check_classes(known, wanted, str(checkpoint), model.strict_load)
    names = known or wanted
    if names is not None and len(names) != (model.num_classes or 0):
        names = None
    return model.to(chosen).eval(), names


def chosen_device(device: torch.device | str | None) -> torch.device:
    """Return where to run; for None on CUDA if there is one.

    Raises:
        UserError: If there is no such device.
    """
    if device is None:
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    with blame("device", RuntimeError):
        chosen = torch.device(device)
    count = torch.cuda.device_count()
    if chosen.type == "cuda" and (chosen.index or 0) >= count:
        raise UserError(f"device: got {str(device)!r}, wanted one that is here (CUDA devices: {count})")
    return chosen


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
    for loader in LOADERS:
        dataset = (config.get(loader) or {}).get("dataset") or {}
        datasets += [dataset, dataset.get("metainfo")]
    return next((names for names in map(class_names, datasets) if names), None)
