"""Settings that follow from others, so that one change is one option."""

import os
from collections.abc import Collection
from typing import Any

import numpy as np
import torch
from mmengine.config import Config

from ..errors import UserError, blame
from .config_check import LOADERS, takes

NOTHING_TO_DISTIL = (
    "model.distillation: nothing to distil, wanted train_dataloader.dataset.features=FILE (see "
    "tools/data/compute_features.py) or model.teacher.type=TimmTeacher"
)
DISTILLED = ("ThreeDGP", "DistilledStyleGAN2")
EVALUATORS = ("val_evaluator", "test_evaluator")
# What options begin with, the setting of the model that they do nothing without, and what sets it.
SERVED = {
    "model.patch_sampler.": ("generator", "patch_size", "model.generator.patch_size=PIXELS"),
    "model.teacher.": (None, "distillation", "model.distillation.weight=1.0"),
    "train_dataloader.dataset.features": (None, "distillation", "model.distillation.weight=1.0"),
}
PATCH_DISCRIMINATORS = (None, "ThreeDGPDiscriminator")
TABLE, WIDTH = "train_dataloader.dataset.features", "model.discriminator.feature_dim"


def settle(config: Config, chosen: Collection[str] = ()) -> None:
    """Change what the rest of a config leaves only one sensible value.

    Args:
        config: The config; changed in place.
        chosen: Full names of settings that somebody has just chosen, which stay as they are.

    Raises:
        UserError: If the width of what is distilled cannot be found, or a chosen setting would do nothing.
    """
    loaders = [config[name] for name in LOADERS if isinstance(config.get(name), dict)]
    for loader in loaders:
        if loader.get("num_workers") == 0:
            loader.update(persistent_workers=False)
            loader.pop("prefetch_factor", None)
    model = config.get("model") or {}
    if model.get("type") == "ThreeDGP":
        if not isinstance(model.get("generator"), dict):
            raise UserError(f"model.generator: got {model.get('generator')!r}, wanted a dict")
        _refuse_idle(config, chosen)
        _settle_model(config, chosen)
    if model.get("type") in DISTILLED:
        _settle_distillation(model, _dataset(config, "train_dataloader"), chosen)


def _refuse_idle(config: Config, chosen: Collection[str]) -> None:
    for key in chosen:
        for beginning, (part, name, remedy) in SERVED.items():
            served = config.model[part] if part else config.model
            if not key.startswith(beginning) or served.get(name, True) is not None:
                continue
            if key.startswith("model.") or _dataset(config, "train_dataloader").get("features"):
                whole = ".".join(filter(None, ("model", part, name)))
                raise UserError(
                    f"--cfg-options {key}: does nothing while {whole} is None; wanted {remedy} as well"
                )


def _settle_model(config: Config, chosen: Collection[str]) -> None:
    model, train = config.model, _dataset(config, "train_dataloader")
    generator, discriminator = model.generator, model.get("discriminator") or {}
    if generator.get("depth_adaptor", True) is None:
        train["use_depth"] = False
    if "num_classes" in model and not model.num_classes:
        for name in LOADERS:
            _dataset(config, name)["conditional"] = False
    if generator.get("patch_size", True) is None:
        model.patch_sampler = None
    if model.get("patch_sampler", True) is None:
        if "model.generator.patch_size" not in chosen:
            generator.patch_size = None
        if discriminator.get("type") in PATCH_DISCRIMINATORS:
            discriminator["patch_conditioning"] = False
    if model.get("ema_config", True) is None:
        for evaluator in EVALUATORS:
            for metric in (config.get(evaluator) or {}).get("metrics", []):
                metric["sample_model"] = "orig"


def _settle_distillation(model: Any, train: dict, chosen: Collection[str]) -> None:
    discriminator = model.get("discriminator") or {}
    if model.get("distillation", True) is None:
        model.teacher = train["features"] = None
        if takes(discriminator, "feature_dim"):
            discriminator["feature_dim"] = None
    elif train and takes(discriminator, "feature_dim"):
        _settle_teacher(model, train, chosen)


def _settle_teacher(model: Any, train: dict, chosen: Collection[str]) -> None:
    teacher = model.get("teacher")
    if teacher is not None and TABLE not in chosen:
        train["features"] = None
    is_new = TABLE in chosen or any(name.startswith("model.teacher.") for name in chosen)
    if model.discriminator.get("feature_dim", True) is None or (is_new and WIDTH not in chosen):
        model.discriminator.feature_dim = _table_width(train) if teacher is None else _teacher_width(teacher)


def _table_width(train: dict) -> int:
    if not train.get("features"):
        raise UserError(NOTHING_TO_DISTIL)
    path = os.path.join(train["data_root"], train["features"])
    with blame("train_dataloader.dataset.features", OSError, ValueError, IndexError):
        return int(np.load(path, mmap_mode="r").shape[1])


def _teacher_width(teacher: dict) -> int:
    if teacher.get("type") != "TimmTeacher":
        raise UserError(
            "model.discriminator.feature_dim: got None, wanted the width of the teacher's features"
        )
    import timm

    with torch.device("meta"), blame("model.teacher.model", RuntimeError, ValueError):
        network: Any = timm.create_model(teacher.get("model", "resnet50"), num_classes=0)
        return network.num_features


def _dataset(config: Config, loader: str) -> dict:
    """The dataset of a loader; a passing dictionary where there is none."""
    return (config.get(loader) or {}).get("dataset") or {}
