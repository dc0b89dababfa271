"""Cameras that runs have learned, and those that the regularisers alone make, without an image.

python tools/studies/cameras.py data/toy32 work_dirs/learning/regularizers.md

Trains the camera generator of configs/3dgp_toy32.py on its regularisers alone, and on those of the release,
and writes how far the cameras spread and how far they are from the true ones. What a trained model has beyond
that, it has from the images.
"""

import argparse
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import numpy as np
import torch
from jaxtyping import Float
from mmagic.registry import METRICS, MODELS
from mmengine.config import Config
from mmengine.registry import init_default_scope
from torch import Tensor
from tqdm import tqdm

from projects.threedgp.apis import ThreeDGPInferencer
from projects.threedgp.engine.fixed_inputs import averaged_pose, draw_fixed_inputs
from projects.threedgp.engine.launch import existing_folder, write_atomically
from projects.threedgp.models.generator import CameraBatch
from projects.threedgp.models.threedgp import ThreeDGP
from tools.studies.arms import EMD_REGULARIZER, FIXED_CAMERAS, FULL
from tools.studies.runs import Arm, Run

FIELDS = {"yaw": "yaw (rad)", "pitch": "pitch (rad)", "fov_deg": "field of view (deg)"}
NUM_CAMERAS = 2048


@dataclass(frozen=True)
class LearnedCameras:
    """Prior cameras and what a model makes of them, fields in the order of ``CAMERA_FIELDS``."""

    prior: Float[np.ndarray, "n 8"]
    posterior: Float[np.ndarray, "n 8"]


def learned_cameras(run: Run) -> LearnedCameras:
    """The same prior cameras, latents and classes for any run, seen by its averaged generator."""
    model = ThreeDGPInferencer(run.config_path, run.checkpoint, device="cpu").model
    inputs = draw_fixed_inputs(model, NUM_CAMERAS, seed=0)
    posterior = averaged_pose(model, inputs)
    return LearnedCameras(inputs.prior.params.cpu().numpy(), posterior.params.cpu().numpy())


def camera_distance(model: ThreeDGP, cameras: Path) -> dict[str, float]:
    """The metric ``CameraDistance`` of a model's cameras.

    Args:
        model: The model.
        cameras: File of the true cameras.
    """
    metric = METRICS.build(
        dict(type="CameraDistance", cameras=str(cameras), fields=list(FIELDS), fake_nums=NUM_CAMERAS)
    )
    inputs = draw_fixed_inputs(model, NUM_CAMERAS, seed=0)
    assert inputs.label is not None
    pairs = zip(averaged_pose(model, inputs).params, inputs.label, strict=True)
    metric.process({}, [dict(camera=camera, gt_label=dict(label=label[None])) for camera, label in pairs])
    values = metric.evaluate()
    return {name.removeprefix("CameraDistance/"): value for name, value in values.items()}


def regularizer_loss(model: ThreeDGP) -> Tensor:
    """What all camera regularisers say of the camera generator, without an image."""
    batches = model.draw_camera_batches()
    batch = CameraBatch.cat(batches)
    assert batch is not None
    posterior = model.generator.pose(batch.prior, batch.z, batch.label)
    return torch.stack(list(model.camera_losses(batches, posterior).values())).sum()


def train_on_regularizers(arm: Arm, steps: int) -> ThreeDGP:
    """The model of an arm whose camera generator, if it has one, was trained on the regularisers alone."""
    torch.manual_seed(0)
    config = Config.fromfile(arm.config)
    config.merge_from_dict(dict(arm.options))
    model: ThreeDGP = MODELS.build(config.model)
    if model.generator.camera_generator is None:
        return model
    settings = {k: v for k, v in config.optim_wrapper.generator.optimizer.items() if k != "type"}
    optimizer = torch.optim.Adam(model.generator.camera_generator.parameters(), **settings)
    for _ in tqdm(range(steps), desc=arm.title, unit="step"):
        loss = regularizer_loss(model)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        model.images_seen += config.train_dataloader.batch_size
    model.generator_ema.module.load_state_dict(model.generator.state_dict())
    return model


def distances_markdown(rows: Mapping[str, Mapping[str, float]]) -> str:
    """For each row and field the spread of all cameras and in a class, and the distance in a class."""
    measures = {"std": "{}_std", "std in a class": "{}_std_in_class", "W1 in a class": "{}_in_class"}
    heads = [f"{title}: {what}" for title in FIELDS.values() for what in measures]
    lines = [f"| cameras | {' | '.join(heads)} |", "|---|" + "--:|" * len(heads)]
    for name, values in rows.items():
        cells = [f"{values[key.format(field)]:.3f}" for field in FIELDS for key in measures.values()]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def main(argv: Sequence[str] | None = None) -> None:
    """Trains on regularisers alone and writes what comes of it."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", type=lambda text: Path(existing_folder(text)), help="folder of prepare.py")
    parser.add_argument("out", type=Path, help="the Markdown file to write")
    parser.add_argument("--steps", type=int, default=1000, help="default 1000")
    args = parser.parse_args(argv)
    init_default_scope("mmagic")
    arms = {"prior": FIXED_CAMERAS, "this config's regularisers": FULL, "the release's": EMD_REGULARIZER}
    cameras = args.data / "cameras.npy"
    rows = {
        name: camera_distance(train_on_regularizers(arm, args.steps), cameras) for name, arm in arms.items()
    }
    write_atomically(args.out, distances_markdown(rows))
    print(args.out.read_text())


if __name__ == "__main__":
    main()
