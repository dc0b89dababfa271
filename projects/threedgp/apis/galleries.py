"""Grids of samples and videos of several of them, as files."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import cycle, islice
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import UInt8
from tqdm import tqdm

from ..engine.pictures import captioned, colorize_depth, enlarge, image_grid, save_png
from .inferencer import ClassLike, ThreeDGPInferencer
from .renderings import Rendering
from .videos import write_video

VISIBLE_SIDE = 96
STRIP_FRAMES = 6

Frame = list[tuple[np.ndarray, np.ndarray]]
"""One moment of a video: colour and coloured depth of each sample."""


@dataclass(frozen=True)
class Gallery:
    """Writes pictures of a model's samples, of which image i depends on its class and on ``seed + i`` alone.

    Args:
        inferencer: The model.
        out: Folder of the pictures.
        seed: Of the first sample.
        factor: Side of the square that shows a pixel; None for a size that can be seen.
        options: Fields of ``RenderOptions``.
    """

    inferencer: ThreeDGPInferencer
    out: Path
    seed: int = 0
    factor: int | None = None
    options: Mapping[str, Any] = field(default_factory=dict)

    def write_samples(
        self, shape: tuple[int, int], labels: Sequence[ClassLike] | None = None
    ) -> list[int | None]:
        """Write samples.png: each sample as colour, depth and adapted depth, under the name of its class.

        Args:
            shape: Rows and columns of the grid.
            labels: Classes, in turn; None draws them as the data has them.

        Returns:
            The classes that are shown.
        """
        rows, columns = shape
        count = rows * columns
        chosen = list(islice(cycle(labels), count)) if labels else None
        samples = self.inferencer.sample(count, chosen, self.seed, **self.options)
        cells = []
        for sample in samples:
            picture = image_grid([self._pictures(sample)], gap=0)
            cells.append(captioned(picture, self.inferencer.class_name(sample.label)))
        save_png(
            self.out / "samples.png", image_grid([cells[i : i + columns] for i in range(0, count, columns)])
        )
        return [sample.label for sample in samples]

    def write_orbits(
        self,
        labels: Sequence[int | None],
        trajectory: str = "front_circle",
        frames: int = 60,
        fps: float = 30,
    ) -> None:
        """Write orbit.mp4, colour above depth of the first samples, and orbit.png, a few moments of it.

        Args:
            labels: Class of each sample.
            trajectory: Name of the camera path.
            frames: Its length.
            fps: Frames per second.
        """
        shown = {i * frames // STRIP_FRAMES for i in range(STRIP_FRAMES)}
        strip: list[Frame] = []

        def tiles() -> Iterator[np.ndarray]:
            for index, frame in enumerate(self._frames(labels, trajectory, frames)):
                if index in shown:
                    strip.append(frame)
                yield image_grid(list(zip(*frame, strict=True)), gap=0)

        write_video(self.out / "orbit.mp4", tiles(), fps)
        by_sample = [list(zip(*views, strict=True)) for views in zip(*strip, strict=True)]
        save_png(self.out / "orbit.png", image_grid([row for rows in by_sample for row in rows]))

    def _frames(self, labels: Sequence[int | None], trajectory: str, frames: int) -> Iterator[Frame]:
        """All samples at each camera of the path."""
        quiet = {**self.options, "progress": False}
        orbits = [
            self.inferencer.orbit(label, self.seed + i, trajectory, frames, **quiet)
            for i, label in enumerate(labels)
        ]
        for renderings in tqdm(zip(*orbits, strict=True), desc="Orbits", total=frames, unit="frame"):
            yield [(rgb, depth) for rgb, depth, *_ in map(self._pictures, renderings)]

    def _pictures(self, sample: Rendering) -> list[UInt8[np.ndarray, "h w 3"]]:
        """Colour, depth, and adapted depth if there is one, enlarged."""
        parts = [sample.rgb, colorize_depth(sample.depth, *self.inferencer.depth_range)]
        if sample.adapted_depth is not None:
            parts.append(colorize_depth(sample.adapted_depth, -1, 1))
        factor = self.factor or max(-(-VISIBLE_SIDE // len(sample.rgb)), 1)
        return [enlarge(part, factor) for part in parts]
