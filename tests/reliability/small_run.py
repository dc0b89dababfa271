"""The smallest training there is, as a config file that is written anew for each mutation of it."""

import copy
from pathlib import Path
from typing import Any

import numpy as np
import torch

from tests import tiny_runs
from tests.tiny import CLASSES, SIZE

FEATURES = 96  # of the teacher test_resnet
NAMES = [f"class{i}" for i in range(CLASSES)]


class Special(float):
    """A number that Python does not write as it reads it."""

    def __repr__(self) -> str:
        return f'float("{float(self)!r}")'


def training_settings(root: Path, **dataset: Any) -> dict[str, Any]:
    """Config of a training of two iterations on :func:`tests.tiny_runs.write_images`."""
    return dict(
        custom_imports=dict(imports=["projects.threedgp"], allow_failed_imports=False),
        default_scope="mmagic",
        model=small_model(),
        train_dataloader=tiny_runs.loader(str(root), **dataset),
        train_cfg=dict(type="KimgTrainLoop", total_kimg=0.008),
        optim_wrapper=tiny_runs.optimisers(),
        randomness=dict(seed=0, diff_rank_seed=True),
        log_processor=dict(by_epoch=False),
        default_hooks=dict(
            logger=dict(type="LoggerHook", interval=1, log_metric_by_epoch=False),
            checkpoint=dict(type="WholeCheckpointHook", interval=1, by_epoch=False),
        ),
        visualizer=dict(type="Visualizer", vis_backends=[dict(type="LocalVisBackend")]),
    )


def small_model() -> dict[str, Any]:
    """The tiny model with patches of 8 pixels and little more than nothing in its networks."""
    config = tiny_runs.model()
    field = dict(resolution=8, feature_dim=4, cbase=64, cmax=8, mlp_hidden_dim=8)
    config["generator"].update(
        image_size=SIZE,
        patch_size=8,
        noise_size=8,
        mapping=dict(w_dim=8),
        field=field,
        renderer=dict(num_coarse=3, num_fine=3),
        camera_generator=dict(type="CameraGenerator", hidden_dim=8, embed_dim=4),
        depth_adaptor=dict(type="DepthAdaptor", hidden_dim=4, num_layers=2),
    )
    config["discriminator"].update(cbase=64, cmax=8, code_dim=8, patch_embed_dim=4)
    return config


def distilling(settings: dict[str, Any], table: Path) -> dict[str, Any]:
    """The same with features from a table."""
    settings = copy.deepcopy(settings)
    settings["model"].pop("distillation")
    settings["model"]["discriminator"]["feature_dim"] = FEATURES
    dataset = settings["train_dataloader"]["dataset"]
    dataset["features"] = str(table)
    dataset["pipeline"][-1]["data_keys"] = ["depth", "teacher_feature"]
    return settings


def write_config(path: Path, settings: dict[str, Any]) -> Path:
    """Write a config file."""
    path.write_text("".join(f"{name} = {value!r}\n" for name, value in settings.items()))
    return path


def weights_of(path: Path) -> dict[str, torch.Tensor]:
    """All tensors of a checkpoint's model."""
    return torch.load(path, weights_only=False)["state_dict"]


def equal_weights(path: Path, wanted: dict[str, torch.Tensor]) -> bool:
    """Whether a checkpoint holds the same tensors."""
    got = weights_of(path)
    return got.keys() == wanted.keys() and all(
        np.array_equal(got[name].numpy(), wanted[name].numpy()) for name in wanted
    )
