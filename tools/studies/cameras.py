"""How cameras spread: those that runs have learned, and those that regularisers make without any image.

python tools/studies/cameras.py work_dirs/regularizers.md

Trains the camera generator of configs/3dgp_toy32.py on each regulariser alone, and writes how far the cameras
spread, all of them and within a class.
"""

import argparse
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import numpy as np
import torch
from jaxtyping import Float, Int
from mmagic.registry import MODELS
from mmengine.config import Config
from mmengine.registry import init_default_scope
from torch import Tensor
from tqdm import tqdm

from projects.threedgp.apis import ThreeDGPInferencer
from projects.threedgp.engine.fixed_inputs import averaged_pose, draw_fixed_inputs
from projects.threedgp.engine.launch import write_atomically
from projects.threedgp.models.threedgp import ThreeDGP
from projects.threedgp.rendering import CAMERA_FIELDS, Camera
from tools.studies.arms import FULL, SLOPE_REGULARIZER
from tools.studies.runs import Arm, Run

FIELDS = {"yaw": "yaw (rad)", "pitch": "pitch (rad)", "fov_deg": "field of view (deg)"}
NUM_CAMERAS = 2048


@dataclass(frozen=True)
class LearnedCameras:
    """Prior cameras and what a model makes of them.

    Args:
        prior: Cameras of the prior, ``CAMERA_FIELDS``.
        posterior: Learned cameras.
        label: Their classes; zeros without classes.
    """

    prior: Float[np.ndarray, "n 8"]
    posterior: Float[np.ndarray, "n 8"]
    label: Int[np.ndarray, " n"]

    def spread(self, name: str) -> tuple[float, float]:
        """Standard deviation of a field over all learned cameras, and its mean within a class."""
        values = self.posterior[:, CAMERA_FIELDS.index(name)]
        within = [values[self.label == label].std() for label in np.unique(self.label)]
        return float(values.std()), float(np.mean(within))


def cameras_of(model: ThreeDGP) -> LearnedCameras:
    """The same prior cameras, latents and classes for any model, seen by its averaged generator."""
    inputs = draw_fixed_inputs(model, NUM_CAMERAS, seed=0)
    label = torch.zeros(NUM_CAMERAS) if inputs.label is None else inputs.label
    posterior = averaged_pose(model, inputs).params
    return LearnedCameras(*(each.cpu().numpy() for each in (inputs.prior.params, posterior, label.long())))


def learned_cameras(run: Run) -> LearnedCameras:
    """The cameras of a trained run."""
    return cameras_of(ThreeDGPInferencer(run.config_path, run.checkpoint, device="cpu").model)


def spread_markdown(rows: Mapping[str, LearnedCameras]) -> str:
    """For each row the spread of each field, over all cameras and within a class."""
    heads = [f"{title}: {what}" for title in FIELDS.values() for what in ("all", "within a class")]
    lines = [f"| std of | {' | '.join(heads)} |", "|---|" + "--:|" * len(heads)]
    for name, cameras in rows.items():
        cells = [f"{value:.3f}" for field in FIELDS for value in cameras.spread(field)]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def regularizer_loss(model: ThreeDGP) -> Tensor:
    """What all camera regularisers say of the camera generator, without an image."""
    total, mean = torch.zeros(()), model.generator.prior.mean(1, model.device)
    for regularizer in model.camera_regularizers:
        fakes = model.draw_fakes(regularizer.num_samples, patches=False)
        prior = Camera(fakes.prior.params.requires_grad_())
        total = total + regularizer(
            prior, model.generator.pose(prior, fakes.z, fakes.label), mean, model.kimg
        )
    return total


def train_on_regularizers(arm: Arm, steps: int) -> ThreeDGP:
    """The model of an arm, whose camera generator was trained on the regularisers alone."""
    torch.manual_seed(0)
    config = Config.fromfile(arm.config)
    config.merge_from_dict(dict(arm.options))
    model: ThreeDGP = MODELS.build(config.model)
    settings = dict(config.optim_wrapper.generator.optimizer)
    assert settings.pop("type") == "Adam"
    optimizer = torch.optim.Adam(model.generator.camera_generator.parameters(), **settings)
    for _ in tqdm(range(steps), desc=arm.title, unit="step"):
        loss = regularizer_loss(model)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        model.images_seen += config.train_dataloader.batch_size
    model.generator_ema.module.load_state_dict(model.generator.state_dict())
    return model


def main(argv: Sequence[str] | None = None) -> None:
    """Trains on regularisers alone and writes the spread."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("out", type=Path, help="the Markdown file to write")
    parser.add_argument("--steps", type=int, default=1000, help="default 1000")
    args = parser.parse_args(argv)
    init_default_scope("mmagic")
    arms = {"the release's regulariser": FULL, "the paper's regulariser": SLOPE_REGULARIZER}
    rows = {name: cameras_of(train_on_regularizers(arm, args.steps)) for name, arm in arms.items()}
    write_atomically(args.out, spread_markdown(rows))
    print(args.out.read_text())


if __name__ == "__main__":
    main()
