"""Renders a checkpoint: `python tools/render.py work_dirs/3dgp_toy64/iter_1000.pth --out renders`.

Writes into --out: samples.png (each sample as colour, depth, and depth as the discriminator was
shown it), orbit.mp4 (the first samples along a camera path, colour above depth), and orbit.png (a
few frames of that). Image i depends on its class and on seed + i alone.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from projects.threedgp import command_line
from projects.threedgp.errors import user_errors

PATHS = ("front_circle", "line", "point", "points", "wiggle")
RENDER_OPTIONS = ("truncation_psi", "steps_factor", "far_offset", "resolution", "batch_size")


def parse_arguments(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """The command line; paths that do not exist end here."""
    parser = command_line.make_parser(__doc__)
    command_line.add_checkpoint_arguments(parser)
    add, above_zero = parser.add_argument, command_line.more_than(0)
    add("--out", type=command_line.output_folder, required=True, help="folder for the pictures")
    add(
        "--grid",
        type=command_line.grid_shape,
        default=(4, 4),
        metavar="ROWSxCOLUMNS",
        help="default: 4x4",
    )
    add("--labels", nargs="+", help="class numbers or names, in turn (default: drawn as in the data)")
    add("--seed", type=command_line.more_than(-1), default=0, help="of the first sample")
    add(
        "--truncation",
        dest="truncation_psi",
        type=command_line.finite,
        default=0.7,
        help="1: full variety, 0: class means",
    )
    add("--trajectory", choices=PATHS, default="front_circle")
    add(
        "--orbits",
        type=command_line.more_than(-1),
        help="samples in the video (default: a row of the grid); 0: no video",
    )
    add("--frames", type=above_zero, default=60)
    add("--fps", type=command_line.more_than(0, float), default=30)
    add("--resolution", type=above_zero, help="pixels along a side (default: as trained)")
    add("--enlarge", type=above_zero, help="show pixels as squares of so many (default: 96 in all)")
    add(
        "--steps-factor",
        type=command_line.more_than(0, float),
        default=2,
        help="ray samples, in multiples of training's",
    )
    add(
        "--far-offset",
        type=command_line.finite,
        default=0.0,
        help="how much farther rays go than in training",
    )
    add("--batch-size", type=above_zero, default=4, help="images at a time")
    add("--device", help="default: CUDA if there is one")
    command_line.add_config_options(parser)
    return parser.parse_intermixed_args(argv)


def main(argv: Sequence[str] | None = None) -> None:
    """Renders what the command line asks for."""
    args = parse_arguments(argv)
    from projects.threedgp.apis import Gallery, ThreeDGPInferencer
    from projects.threedgp.apis.loading import load_config

    out = Path(args.out)
    config = load_config(args.config, args.checkpoint, args.cfg_options)
    inferencer = ThreeDGPInferencer(config, args.checkpoint, args.device)
    options = {name: getattr(args, name) for name in RENDER_OPTIONS}
    gallery = Gallery(inferencer, out, args.seed, args.enlarge, options)
    labels = gallery.write_samples(args.grid, args.labels)
    print(f"samples: {out / 'samples.png'}")
    first = labels[: args.grid[1] if args.orbits is None else args.orbits]
    if first:
        gallery.write_orbits(first, args.trajectory, args.frames, args.fps)
        print(f"orbits:  {out / 'orbit.mp4'}, {out / 'orbit.png'}")


if __name__ == "__main__":
    with user_errors():
        main()
