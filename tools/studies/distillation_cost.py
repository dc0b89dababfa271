"""Study: what distillation costs, as the ratio of the times of a training step with it and without.

python tools/studies/distillation_cost.py --out work_dirs/distillation_cost

Three models are trained in turn in one process, a few steps at a time, so that whatever else the machine
does meets all of them: one without distillation (and without the second head), one that distils features from
a file, which the data loader reads, and one that runs the teacher in every step. A step is the wait for its
batch and the training on it. The times of a round are divided by that of its model without distillation.
Writes OUT/cost.csv, a line for each block of steps, and OUT/cost.md, the table.
"""

import argparse
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

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
    parser.add_argument("--config", type=existing_file, default="configs/3dgp_toy32.py")
    parser.add_argument("--data-root", type=existing_folder, help="default: the config's")
    parser.add_argument(
        "--teacher",
        type=existing_file,
        help="its checkpoint (default: networks/teacher.pth beside the data root, if it is there)",
    )
    parser.add_argument("--teacher-model", default="test_resnet", help="a timm model (default test_resnet)")
    parser.add_argument("--teacher-size", type=int, default=48, help="pixels the teacher sees (default 48)")
    parser.add_argument(
        "--steps", type=more_than(0), default=16, help="of a block; 16, or a multiple, is fair to lazy R1"
    )
    parser.add_argument("--blocks", type=more_than(0), default=12, help="of each arm (default 12)")
    parser.add_argument("--device", help="default: cuda if there is one, else cpu")
    parser.add_argument("--out", type=Path, required=True, help="folder of cost.csv and cost.md")
    add_config_options(parser)
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> None:
    """Measures what the command line asks for and writes the table."""
    argv = sys.argv[1:] if argv is None else argv
    args = parse_arguments(argv)
    from projects.threedgp.studies import distillation_cost as study

    config = study.load_config(args.config, args.data_root, args.cfg_options)
    data_root = config.train_dataloader.dataset.data_root
    teacher = study.teacher_config(args.teacher_model, args.teacher_size, args.teacher, data_root)
    command = f"python tools/studies/distillation_cost.py {shlex.join(argv)}"
    study.run(config, teacher, args.device, args.steps, args.blocks, args.out, command)


if __name__ == "__main__":
    with user_errors():
        main()
