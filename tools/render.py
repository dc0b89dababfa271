"""Renders a checkpoint: `python tools/render.py configs/3dgp_toy64.py iter_1.pth --out renders`.

Writes into --out: samples.png (each sample as colour, depth, and depth as the discriminator was
shown it), orbit.mp4 (the first samples along a camera path, colour above depth), and orbit.png (a
few frames of that). Image i depends on its class and on seed + i alone.
"""

import argparse
import sys
from collections.abc import Iterator, Sequence
from itertools import cycle, islice
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from mmengine.config import Config
from PIL import Image, ImageDraw, ImageFont
from tqdm import tqdm

from projects.threedgp.apis import TRAJECTORIES, Rendering, ThreeDGPInferencer, write_video
from projects.threedgp.engine import launch
from projects.threedgp.engine.pictures import colorize_depth, enlarge, image_grid, save_png

CAPTION_HEIGHT = 14
VISIBLE_SIDE = 96
STRIP_FRAMES = 6

Frame = list[tuple[np.ndarray, np.ndarray]]
"""One moment of the video: colour and coloured depth of each sample."""


def grid_shape(text: str) -> tuple[int, int]:
    """Rows and columns of e.g. `4x4`; made for argparse's `type`."""
    parts = text.lower().split("x")
    if len(parts) != 2 or not all(part.isdigit() and int(part) > 0 for part in parts):
        raise argparse.ArgumentTypeError(f"got {text!r}, wanted ROWSxCOLUMNS, e.g. 4x4")
    return int(parts[0]), int(parts[1])


def parse_arguments(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """The command line; paths that do not exist end here."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("config", type=launch.existing_file, help="a file of configs/")
    add("checkpoint", type=launch.existing_file, help="a checkpoint of its training")
    add("--out", type=Path, required=True, help="folder for the pictures")
    add("--grid", type=grid_shape, default=(4, 4), metavar="ROWSxCOLUMNS", help="default: 4x4")
    add(
        "--labels",
        nargs="+",
        help="class numbers or names, in turn (default: drawn as in the data)",
    )
    add("--seed", type=int, default=0, help="of the first sample")
    add("--truncation", type=float, default=0.7, help="1: full variety, 0: class means")
    add("--trajectory", choices=sorted(TRAJECTORIES), default="front_circle")
    add("--orbits", type=int, help="samples in the video (default: a row of the grid); 0: no video")
    add("--frames", type=int, default=60)
    add("--fps", type=float, default=30)
    add("--resolution", type=int, help="pixels along a side (default: as trained)")
    add("--enlarge", type=int, help=f"show pixels as squares of so many (default: {VISIBLE_SIDE} in all)")
    add("--steps-factor", type=float, default=2, help="ray samples, in multiples of training's")
    add("--far-offset", type=float, default=0.0, help="how much farther rays go than in training")
    add("--batch-size", type=int, default=4, help="images at a time")
    add("--device", help="default: CUDA if there is one")
    launch.add_config_options(parser)
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> None:
    """Renders what the command line asks for."""
    args = parse_arguments(argv)
    config = Config.fromfile(args.config)
    config.merge_from_dict(args.cfg_options or {})
    inferencer = ThreeDGPInferencer(config, args.checkpoint, args.device)
    samples = render_samples(inferencer, args)
    save_png(args.out / "samples.png", samples_picture(samples, inferencer, args.grid[1], args.enlarge))
    print(f"samples: {args.out / 'samples.png'}")
    first = samples[: args.grid[1] if args.orbits is None else args.orbits]
    if first:
        write_orbits(inferencer, [sample.label for sample in first], args)
        print(f"orbits:  {args.out / 'orbit.mp4'}, {args.out / 'orbit.png'}")


def render_options(args: argparse.Namespace) -> dict:
    """The inferencer's options on the command line."""
    return dict(
        truncation_psi=args.truncation,
        steps_factor=args.steps_factor,
        far_offset=args.far_offset,
        resolution=args.resolution,
        batch_size=args.batch_size,
    )


def render_samples(inferencer: ThreeDGPInferencer, args: argparse.Namespace) -> list[Rendering]:
    """The samples of the grid, row by row."""
    count = args.grid[0] * args.grid[1]
    labels = list(islice(cycle(args.labels), count)) if args.labels else None
    return inferencer.sample(count, labels, args.seed, **render_options(args))


def pictures_of(sample: Rendering, inferencer: ThreeDGPInferencer, factor: int | None) -> list[np.ndarray]:
    """Colour, depth, and adapted depth if there is one, enlarged (None: to a size that can be seen)."""
    parts = [sample.rgb, colorize_depth(sample.depth, *inferencer.depth_range)]
    if sample.adapted_depth is not None:
        parts.append(colorize_depth(sample.adapted_depth, -1, 1))
    factor = factor or max(-(-VISIBLE_SIDE // len(sample.rgb)), 1)
    return [enlarge(part, factor) for part in parts]


def samples_picture(
    samples: Sequence[Rendering], inferencer: ThreeDGPInferencer, columns: int, factor: int | None
) -> np.ndarray:
    """The grid: each sample as colour, depth and adapted depth, under the name of its class."""
    cells = []
    for sample in samples:
        parts = pictures_of(sample, inferencer, factor)
        cells.append(captioned(image_grid([parts], gap=0), inferencer.class_name(sample.label)))
    return image_grid([cells[i : i + columns] for i in range(0, len(cells), columns)])


def captioned(image: np.ndarray, text: str) -> np.ndarray:
    """The image under a line of text; itself where there is no text."""
    if not text:
        return image
    height, width = image.shape[:2]
    canvas = Image.new("RGB", (width, height + CAPTION_HEIGHT), "black")
    canvas.paste(Image.fromarray(image), (0, CAPTION_HEIGHT))
    font = ImageFont.load_default(CAPTION_HEIGHT - 4)
    ImageDraw.Draw(canvas).text((2, 0), text, fill="white", font=font)
    return np.asarray(canvas)


def write_orbits(
    inferencer: ThreeDGPInferencer, labels: Sequence[int | None], args: argparse.Namespace
) -> None:
    """Writes orbit.mp4 and orbit.png of the samples with these labels, frame by frame."""
    shown = {i * args.frames // STRIP_FRAMES for i in range(STRIP_FRAMES)}
    strip: list[Frame] = []

    def tiles() -> Iterator[np.ndarray]:
        for index, frame in enumerate(orbit_frames(inferencer, labels, args)):
            if index in shown:
                strip.append(frame)
            yield image_grid(list(zip(*frame, strict=True)), gap=0)

    write_video(args.out / "orbit.mp4", tiles(), args.fps)
    by_sample = [list(zip(*views, strict=True)) for views in zip(*strip, strict=True)]
    save_png(args.out / "orbit.png", image_grid([row for rows in by_sample for row in rows]))


def orbit_frames(
    inferencer: ThreeDGPInferencer, labels: Sequence[int | None], args: argparse.Namespace
) -> Iterator[Frame]:
    """All samples at each camera of the path."""
    orbits = [
        inferencer.orbit(
            label,
            args.seed + i,
            args.trajectory,
            args.frames,
            progress=False,
            **render_options(args),
        )
        for i, label in enumerate(labels)
    ]
    bar = tqdm(zip(*orbits, strict=True), desc="Orbits", total=args.frames, unit="frame")
    for renderings in bar:
        pictures = [pictures_of(each, inferencer, args.enlarge) for each in renderings]
        yield [(rgb, depth) for rgb, depth, *_ in pictures]


if __name__ == "__main__":
    main()
