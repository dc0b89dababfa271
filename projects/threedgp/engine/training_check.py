"""Whether data and model of a training fit: what the config tells, before anything is built of it."""

import os
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

import numpy as np
from mmengine.config import Config

from ..errors import UserError
from .config_check import typed_nodes
from .dependent_settings import LOADERS, NOTHING_TO_DISTIL

TRAINING = "train_dataloader"


def check_training(config: Config) -> None:
    """Refuse data that the model cannot be trained on, or validated with.

    What a config leaves to defaults and files is looked at later, see ``KimgTrainLoop``.

    Args:
        config: The config of a training.

    Raises:
        UserError: Two settings contradict each other, which it names, or there is nothing to distil.
    """
    model = config.get("model") or {}
    tables = [dataset.get("features") for _, dataset in typed_nodes(config.get(TRAINING))]
    if model.get("distillation") and not (any(tables) or model.get("teacher")):
        raise UserError(NOTHING_TO_DISTIL)
    for loader in LOADERS:
        for place, dataset in typed_nodes(config.get(loader), loader):
            if dataset["type"] == "ImageDepthDataset":
                _check_resolution(place, dataset, model.get("generator") or {})
                if loader == TRAINING:
                    _check_width(place, dataset, model.get("discriminator") or {})
                    if model.get("type") == "ThreeDGP":
                        _check_depth_and_classes(place, dataset, model)


def _check_resolution(place: str, dataset: Mapping[str, Any], generator: Mapping[str, Any]) -> None:
    name = "image_size" if "image_size" in generator else "out_size"
    got, wanted = dataset.get("resolution"), generator.get(name)
    if None not in (got, wanted) and got != wanted:
        raise UserError(f"{place}.resolution: got {got}, wanted {wanted}, as model.generator.{name}")


def _check_depth_and_classes(place: str, dataset: Mapping[str, Any], model: Mapping[str, Any]) -> None:
    if model["generator"].get("depth_adaptor", True) and not dataset.get("use_depth", True):
        raise UserError(
            f"{place}.use_depth: got False, wanted True, as model.generator.depth_adaptor learns from depth "
            "(None trains without)"
        )
    if model.get("num_classes") and not dataset.get("conditional", True):
        raise UserError(
            f"{place}.conditional: got False, wanted True, as model.num_classes is {model['num_classes']} "
            "(None trains without)"
        )


def _check_width(place: str, dataset: Mapping[str, Any], discriminator: Mapping[str, Any]) -> None:
    wanted = discriminator.get("feature_dim")
    if not (dataset.get("features") and wanted):
        return
    path = os.path.join(os.path.expanduser(dataset["data_root"]), dataset["features"])
    got = wanted
    with suppress(Exception):  # of any kind; what is wrong with the table itself the dataset says
        got = np.load(path, mmap_mode="r").shape[1]
    if got != wanted:
        raise UserError(
            f"{place}.features: got {got} numbers an image in {path}, wanted {wanted}, as "
            "model.discriminator.feature_dim (None takes the table's)"
        )
