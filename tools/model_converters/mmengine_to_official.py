"""Gives weights back to the authors' code: `mmengine_to_official.py [CONFIG] IN.pth OUT.safetensors`.

The file holds every tensor that the official networks have, under their names, with the prefixes `G.`,
`G_ema.` and `D.`; there, `G.load_state_dict` takes what `safetensors.torch.load_file` reads. A converted
snapshot comes back bit by bit.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from projects.threedgp import command_line
from projects.threedgp.errors import user_errors


def parse_arguments(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """The command line; paths that do not exist end here, and outputs that do."""
    parser = command_line.make_parser(__doc__)
    command_line.add_checkpoint_arguments(parser)
    parser.add_argument("out", type=command_line.weights_name, metavar="OUT.safetensors")
    command_line.add_overwrite(parser)
    args = parser.parse_intermixed_args(argv)
    command_line.refuse_existing(parser, args.overwrite, args.out)
    return args


def main(argv: Sequence[str] | None = None) -> None:
    """Converts the checkpoint of the command line."""
    args = parse_arguments(argv)
    from projects.threedgp.official.conversion import to_official

    for line in to_official(args.config, args.checkpoint, args.out):
        print(line)


if __name__ == "__main__":
    with user_errors():
        main()
