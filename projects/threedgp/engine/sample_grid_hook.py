"""Pictures of the same samples throughout training."""

from collections.abc import Sized
from itertools import chain
from pathlib import Path
from typing import cast

import numpy as np
from jaxtyping import UInt8
from mmagic.registry import HOOKS
from mmengine.dataset import pseudo_collate
from mmengine.dist import master_only
from mmengine.runner import Runner
from torch.utils.data import Dataset

from ..models.generator import GeneratorOutput
from ..models.sampling import Sampling
from ..random_states import random_state_kept
from ..ranges import Count, Number, Positive, Size
from ..training.state_dicts import unwrap
from ..training.threedgp import ThreeDGP
from .fixed_inputs import FixedInputs, averaged_pose, draw_fixed_inputs
from .periodic_hook import PeriodicHook
from .pictures import colorize_depth, image_grid, save_png, to_bytes

Strip = list[UInt8[np.ndarray, "h w 3"]]


@HOOKS.register_module()
class SampleGridHook(PeriodicHook):
    """Writes grids of samples to ``work_dir/samples/kimg_XXXXXX.XXX.png`` and to the visualiser.

    A sample is a strip: colour, rendered depth from near (first colour of the map) to far (last),
    and, if there is a depth adaptor, adapted depth from -1 to 1. Latents, classes, prior cameras
    and ray samples are the same every time. ``samples/reals.png`` shows real images and their depth
    for comparison.

    Args:
        interval: Iterations between two grids.
        interval_kimg: Thousands of images between two grids; instead of ``interval``.
        num_samples: Samples of a grid.
        seed: What decides on latents, classes, cameras and reals.
        truncation_psi: Truncation of the style codes; 1 for none.
        batch_size: Samples generated at a time.

    Raises:
        ValueError: If there are to be no samples.
    """

    def __init__(
        self,
        interval: Size | None = None,
        interval_kimg: Positive | None = None,
        num_samples: Size = 16,
        seed: Count = 0,
        truncation_psi: Number = 1.0,
        batch_size: Size = 4,
    ) -> None:
        super().__init__(interval, interval_kimg)
        if num_samples < 1 or batch_size < 1:
            raise ValueError(
                f"SampleGridHook: got num_samples={num_samples}, batch_size={batch_size}, wanted at least 1"
            )
        self.num_samples, self.seed, self.batch_size = num_samples, seed, batch_size
        self.sampling = Sampling(deterministic=True, truncation_psi=truncation_psi)

    def before_train(self, runner: Runner) -> None:
        """Show real images.

        Args:
            runner: The runner.
        """
        super().before_train(runner)
        self._write_reals(runner)

    @master_only
    def _write_reals(self, runner: Runner) -> None:
        dataset = runner.train_dataloader.dataset
        strips = real_strips(unwrap(runner.model), dataset, self.num_samples, self.seed)
        save_png(Path(runner.work_dir, "samples", "reals.png"), strip_grid(strips))

    def act(self, runner: Runner, step: int) -> None:
        """Write a grid.

        Args:
            runner: The runner.
            step: Iterations done.
        """
        model: ThreeDGP = unwrap(runner.model)
        inputs = draw_fixed_inputs(model, self.num_samples, self.seed)
        grid = strip_grid(self.fake_strips(model, inputs))
        save_png(self.picture_path(runner, "samples"), grid)
        runner.visualizer.add_image("samples", grid, step)

    def fake_strips(self, model: ThreeDGP, inputs: FixedInputs) -> list[Strip]:
        """Generate a strip for each input.

        Args:
            model: The model.
            inputs: Latents, classes and prior cameras.
        """
        strips = []
        for start in range(0, len(inputs), self.batch_size):
            part = inputs[start : start + self.batch_size]
            camera = averaged_pose(model, part)
            output = model.sample(part.z, part.label, camera, self.sampling)
            strips += output_strips(output, *model.generator_of("orig").depth_range)
        return strips


def output_strips(output: GeneratorOutput, near: float, far: float) -> list[Strip]:
    """Colour, rendered depth and, if there is one, adapted depth of each generated image, all of one size.

    Args:
        output: What the generator made.
        near: Rendered depth of the first colour, world units.
        far: Rendered depth of the last colour, world units.
    """
    panels = [to_bytes(output.rgb), colorize_depth(output.full_depth[:, 0], near, far)]
    if output.adapted_depth is not None:
        panels.append(colorize_depth(output.as_large(output.adapted_depth)[:, 0], -1, 1))
    return [list(strip) for strip in zip(*panels, strict=True)]


def real_strips(model: ThreeDGP, dataset: Dataset, n: int, seed: int) -> list[Strip]:
    """Colour and, if there is one, depth of real images as training sees them.

    Args:
        model: The model, for its preprocessor.
        dataset: Training data with its pipeline.
        n: Most images to show.
        seed: What decides which.
    """
    indices = np.random.default_rng(seed).permutation(len(cast(Sized, dataset)))[:n]
    with random_state_kept():
        batch = pseudo_collate([dataset[int(index)] for index in indices])
    samples = model.data_preprocessor(batch, True)["data_samples"]
    panels = [to_bytes(samples.gt_img)]
    if "depth" in samples:
        panels.append(colorize_depth(samples.depth[:, 0], -1, 1))
    return [list(strip) for strip in zip(*panels, strict=True)]


def strip_grid(strips: list[Strip]) -> UInt8[np.ndarray, "grid_h grid_w 3"]:
    """Arrange strips in as many columns as make the grid about square."""
    columns = max(round((len(strips) / len(strips[0])) ** 0.5), 1)
    rows = [strips[start : start + columns] for start in range(0, len(strips), columns)]
    return image_grid([list(chain.from_iterable(row)) for row in rows])
