"""How long the parts of a training step, a rendering and loading take, and how much memory.

python tools/benchmark.py configs/3dgp_imagenet256.py
python tools/benchmark.py configs/3dgp_toy32.py --groups load --data-root data/toy32/train
python tools/benchmark.py configs/3dgp_sdip_dogs256.py --batch-size 4 --checkout before ../before
python tools/benchmark.py configs/3dgp_toy32.py --arm classic model.generator.renderer.num_fine=16
python tools/benchmark.py configs/3dgp_toy32.py --groups render --sweep resolution 32 64 128

All that is named is measured beside each other in one run, in turn and each in a process of its own, so that
whatever else the machine does meets all of it; ratios are those of the first CONFIG over the others, and
above 1 where the other is faster. Training is measured on images of noise, in the middle of the schedules;
the whole step is made of its parts, those that are not due in every step by their share. With one thread
times are those of the processor. Writes OUT.json and OUT.md.
"""

import argparse
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from projects.threedgp.benchmarks.setting import GROUPS, SWEEPS
from projects.threedgp.command_line import (
    add_config_options,
    existing_file,
    existing_folder,
    make_parser,
    more_than,
)
from projects.threedgp.errors import user_errors


def parse_arguments(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """The command line; paths that do not exist end here."""
    parser = make_parser(__doc__)
    parser.add_argument("configs", nargs="+", type=existing_file, metavar="CONFIG")
    parser.add_argument("--groups", nargs="+", choices=GROUPS, help="default: train and render")
    parser.add_argument(
        "--arm",
        nargs="+",
        action="append",
        default=[],
        metavar=("NAME", "KEY=VALUE"),
        help="the first config with other options",
    )
    parser.add_argument(
        "--checkout",
        nargs=2,
        action="append",
        default=[],
        metavar=("NAME", "DIR"),
        help="the first config with the code of another checkout",
    )
    parser.add_argument(
        "--sweep", nargs="+", metavar=("SIZE", "NUMBER"), help=f"vary one of {', '.join(SWEEPS)}; with slopes"
    )
    parser.add_argument("--batch-size", type=more_than(0), help="of a training step (default: the config's)")
    parser.add_argument("--resolution", type=more_than(1), help="of rendered images (default: the model's)")
    parser.add_argument("--samples", type=more_than(5), help="on a rendered ray (default: the model's)")
    parser.add_argument("--data-root", type=existing_folder, help="real images, for loading")
    parser.add_argument("--rounds", type=more_than(0), default=5, help="repetitions of each part (default 5)")
    parser.add_argument("--warmup", type=int, default=1, help="repetitions before them (default 1)")
    parser.add_argument("--device", help="default: cuda if there is one, else cpu")
    parser.add_argument("--against", type=existing_file, metavar="JSON", help="an earlier OUT.json")
    parser.add_argument("--out", type=Path, default=Path("work_dirs/benchmark"), help="default: %(default)s")
    add_config_options(parser)
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> None:
    """Measures what the command line asks for."""
    argv = sys.argv[1:] if argv is None else argv
    args = parse_arguments(argv)
    from projects.threedgp.benchmarks import command

    command.run(args, command=f"python tools/benchmark.py {shlex.join(argv)}")


if __name__ == "__main__":
    with user_errors():
        main()
