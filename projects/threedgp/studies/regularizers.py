"""What the camera regularisers make of the cameras on their own, without an image."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from mmagic.registry import METRICS, MODELS
from mmengine.optim import build_optim_wrapper
from mmengine.registry import init_default_scope
from torch import Tensor
from tqdm import tqdm

from ..engine.fixed_inputs import averaged_pose, draw_fixed_inputs
from ..models.generator import CameraBatch
from ..training.threedgp import ThreeDGP
from ..whole_files import write_text
from .arms import EMD_REGULARIZER, FIXED_CAMERAS, FULL
from .plots import CAMERA_LABELS
from .runs import Arm, arm_config

METRIC = "CameraDistance"


def regularizer_loss(model: ThreeDGP) -> Tensor:
    """What all camera regularisers say of the camera generator."""
    phases = model.phases
    batches = model.draws.camera_batches(phases.regularizers)
    batch = CameraBatch.cat(batches)
    assert batch is not None
    posterior = model.generator.pose(batch.prior, batch.z, batch.label)
    return torch.stack(list(phases.camera_losses(batches, posterior).values())).sum()


def train_on_regularizers(arm: Arm, steps: int) -> ThreeDGP:
    """The model of an arm whose camera generator, if it has one, was trained on the regularisers alone."""
    config = arm_config(arm)
    torch.manual_seed(0)
    model: ThreeDGP = MODELS.build(config.model)
    if model.generator.camera_generator is None:
        return model
    optimizer = build_optim_wrapper(model.generator.camera_generator, config.optim_wrapper.generator)
    for _ in tqdm(range(steps), desc=arm.title, unit="step"):
        optimizer.update_params(regularizer_loss(model))
        model.images_seen += config.train_dataloader.batch_size
    model.generator_ema.module.load_state_dict(model.generator.state_dict())
    return model


def camera_distance(model: ThreeDGP, settings: Mapping[str, Any]) -> dict[str, float]:
    """The metric ``CameraDistance`` of a model's cameras.

    Args:
        model: The model.
        settings: Config of the metric.
    """
    metric = METRICS.build(dict(settings))
    inputs = draw_fixed_inputs(model, metric.fake_nums, seed=0)
    assert inputs.label is not None
    pairs = zip(averaged_pose(model, inputs).params, inputs.label, strict=True)
    metric.process({}, [dict(camera=camera, gt_label=dict(label=label[None])) for camera, label in pairs])
    return {name.removeprefix(f"{METRIC}/"): value for name, value in metric.evaluate().items()}


def distances_markdown(rows: Mapping[str, Mapping[str, float]]) -> str:
    """For each row and field the spread of all cameras and in a class, and the distance in a class."""
    measures = {"std": "{}_std", "std in a class": "{}_std_in_class", "W1 in a class": "{}_in_class"}
    heads = [f"{title}: {what}" for title in CAMERA_LABELS.values() for what in measures]
    lines = [f"| cameras | {' | '.join(heads)} |", "|---|" + "--:|" * len(heads)]
    for name, values in rows.items():
        cells = [f"{values[key.format(field)]:.3f}" for field in CAMERA_LABELS for key in measures.values()]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def run(data: Path, out: Path, steps: int) -> None:
    """Train on regularisers alone and write what comes of it.

    Args:
        data: The folder of tools/studies/prepare.py.
        out: The Markdown file.
        steps: Length of the training.
    """
    init_default_scope("mmagic")
    metrics = arm_config(FULL).test_evaluator.metrics
    settings = next(metric for metric in metrics if metric.type == METRIC)
    settings.cameras = str(data / "cameras.npy")
    arms = {
        "prior": FIXED_CAMERAS,
        "the paper's regulariser alone": FULL,
        "the release's alone": EMD_REGULARIZER,
    }
    rows = {name: camera_distance(train_on_regularizers(arm, steps), settings) for name, arm in arms.items()}
    write_text(out, distances_markdown(rows))
    print(out.read_text())
