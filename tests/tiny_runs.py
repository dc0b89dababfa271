"""Tiny data, models and runners, for tests that go through the toolkit."""

from itertools import count
from pathlib import Path

import cv2
import numpy as np
from mmengine.registry import init_default_scope
from mmengine.runner import Runner
from PIL import Image

from tests.tiny import CLASSES, SIZE, tiny_model_config

RUNS = count()

init_default_scope("mmagic")


def write_images(root: Path, num: int = 10, classes: int = CLASSES, colour=None) -> str:
    """Noise, or one colour (RGB), with depth that falls to the right, in class folders."""
    random = np.random.default_rng(0)
    ramp = np.linspace(60000, 5000, SIZE).astype(np.uint16)[None].repeat(SIZE, 0)
    for i in range(num):
        folder = root / f"class{i % classes}"
        folder.mkdir(parents=True, exist_ok=True)
        image = random.integers(0, 256, (SIZE, SIZE, 3), dtype=np.uint8)
        if colour is not None:
            image[:] = colour
        Image.fromarray(image).save(folder / f"{i:03d}.png")
        cv2.imwrite(str(folder / f"{i:03d}_depth.png"), ramp)
    return str(root)


def loader(data_root: str, batch_size: int = 4, training: bool = True, **dataset) -> dict:
    """Config of a loader of :func:`write_images`."""
    pipeline = [
        dict(type="LoadImage", key="gt"),
        dict(type="LoadDepth"),
        dict(type="PackInputs", data_keys=["depth"]),
    ]
    sampler = dict(type="InfiniteSampler" if training else "DefaultSampler", shuffle=training)
    data = dict(type="ImageDepthDataset", data_root=data_root, pipeline=pipeline, **dataset)
    return dict(batch_size=batch_size, num_workers=0, dataset=data, sampler=sampler)


def model(**changes) -> dict:
    """Config of the tiny ThreeDGP without distillation, for which the loader has no features."""
    config = tiny_model_config(distillation=None)
    config["discriminator"]["feature_dim"] = None
    return config | changes


def optimisers() -> dict:
    """Config of both optimisers."""
    one = dict(type="OptimWrapper", optimizer=dict(type="Adam", lr=1e-3, betas=(0.0, 0.99)))
    return dict(constructor="MultiOptimWrapperConstructor", generator=one, discriminator=one)


def runner(work_dir: Path, model: dict | object, experiment: str = "tiny", **arguments) -> Runner:
    """A runner with the plugin's scope, quiet, and without distribution."""
    defaults = dict(
        default_scope="mmagic",
        launcher="none",
        randomness=dict(seed=0, diff_rank_seed=True),
        log_level="WARNING",
        log_processor=dict(by_epoch=False),
        # Runs of one name and second would share their logs.
        experiment_name=f"{experiment}_{next(RUNS)}",
        default_hooks=dict(
            logger=dict(type="LoggerHook", interval=1, log_metric_by_epoch=False),
            checkpoint=dict(type="WholeCheckpointHook", interval=1, by_epoch=False),
        ),
        visualizer=dict(type="Visualizer", vis_backends=[dict(type="LocalVisBackend")]),
    )
    return Runner(model=model, work_dir=str(work_dir), **defaults | arguments)


def training(work_dir: Path, data_root: str, kimg: float, batch_size: int = 4, **arguments):
    """A runner that trains a tiny ThreeDGP for ``kimg`` thousand images."""
    defaults = dict(
        model=model(),
        train_dataloader=loader(data_root, batch_size),
        train_cfg=dict(type="KimgTrainLoop", total_kimg=kimg),
        optim_wrapper=optimisers(),
    )
    return runner(work_dir, **defaults | arguments)
