"""Gives weights back to the authors' code: `mmengine_to_official.py CONFIG IN.pth OUT.safetensors`.

The file holds every tensor that the official networks have, under their names, with the prefixes `G.`,
`G_ema.` and `D.`; there, `G.load_state_dict` takes what `safetensors.torch.load_file` reads. A converted
snapshot comes back bit by bit.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import torch
from safetensors.torch import save_file
from torch import Tensor

from projects.threedgp.apis.loading import load_model
from projects.threedgp.engine import launch
from projects.threedgp.engine.checkpoint_loading import read_checkpoint
from projects.threedgp.official.names import export_official
from projects.threedgp.training.threedgp import ThreeDGP
from tools.model_converters.official_to_mmengine import write_whole

PROGRESS = "synthesis.depth_adaptor.progress_coef"


def parse_arguments(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """The command line; paths that do not exist end here."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("config", type=launch.existing_file, help="the config of the training")
    parser.add_argument("checkpoint", type=launch.existing_file, help="a checkpoint of it")
    parser.add_argument("out", type=Path, metavar="OUT.safetensors")
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> None:
    """Converts the checkpoint of the command line."""
    args = parse_arguments(argv)
    model, _ = load_model(args.config, args.checkpoint, "cpu")
    meta = read_checkpoint(args.checkpoint).get("meta") or {}
    tensors = official_tensors(model, meta.get("official_derived") or {})
    about = {"format": "pt", "images_seen": str(model.images_seen.item())}
    args.out.parent.mkdir(parents=True, exist_ok=True)
    write_whole(args.out, lambda path: save_file(tensors, path, metadata=about))
    print(f"{len(tensors)} tensors: {args.out}")


def official_tensors(model: ThreeDGP, derived: dict[str, dict[str, Tensor]]) -> dict[str, Tensor]:
    """All tensors of the official networks, each under its network's prefix.

    Args:
        model: The model.
        derived: Values of derived tensors, where the weights come from a snapshot and are unchanged.
    """
    networks = {"G": model.generator, "D": model.discriminator}
    if model.with_ema_gen:
        networks["G_ema"] = model.generator_ema.module
    tensors: dict[str, Tensor] = {}
    for network, module in networks.items():
        if module is None:
            continue
        state = export_official(module)
        if PROGRESS in state:
            state[PROGRESS] = adaptor_progress(model)
        state |= derived.get(network, {})
        tensors |= {f"{network}.{name}": value.detach().clone() for name, value in state.items()}
    return tensors


def adaptor_progress(model: ThreeDGP) -> Tensor:
    """The depth adaptor's place in its schedule, which the official networks keep in a buffer."""
    length = model.generator.depth_adaptor.identity_prob.over_kimg
    return torch.tensor([min(model.kimg / length, 1.0) if length else 1.0])


if __name__ == "__main__":
    main()
