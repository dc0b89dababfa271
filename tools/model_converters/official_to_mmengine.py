"""Converts a training snapshot of the authors: `official_to_mmengine.py network-snapshot-025000.pkl OUT.pth`.

Writes OUT.pth, a checkpoint of our own kind, and OUT.py beside it, the config that belongs to it; both go
to tools/test.py, tools/render.py, the inferencer, and as `load_from` into training. Nothing in the
snapshot is executed. One that does not map tensor by tensor is refused, with the list of what does not.
How often each class occurs is not in a snapshot: labels are drawn evenly until training sees the data.
"""

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import torch
from mmagic.registry import MODELS
from mmengine.config import Config
from mmengine.registry import init_default_scope

from projects.threedgp.engine import launch
from projects.threedgp.official.config import model_config, not_carried_over, optimizer_config
from projects.threedgp.official.names import is_derived, load_official
from projects.threedgp.official.snapshot import OfficialSnapshot, read_official_snapshot
from projects.threedgp.training.threedgp import ThreeDGP
from projects.threedgp.whole_files import whole_file

# Carries data, runtime and evaluation; the model in it is replaced.
BASE_CONFIG = Path(__file__).resolve().parents[2] / "configs" / "3dgp_imagenet256.py"
FEATURE_BIAS = "b4.feat_out.1.bias"


def parse_arguments(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """The command line; a snapshot that does not exist ends here."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("snapshot", type=launch.existing_file, help="network-snapshot-*.pkl")
    parser.add_argument("out", type=Path, metavar="OUT.pth", help="OUT.py is written beside it")
    args = parser.parse_args(argv)
    if args.out.suffix != ".pth":
        parser.error(f"OUT.pth: got {args.out}, wanted a name that ends in .pth")
    return args


def main(argv: Sequence[str] | None = None) -> None:
    """Converts the snapshot of the command line."""
    args = parse_arguments(argv)
    snapshot = read_official_snapshot(args.snapshot)
    config = derive_config(snapshot)
    checkpoint = make_checkpoint(snapshot, config)
    args.out.parent.mkdir(parents=True, exist_ok=True)
    write_whole(args.out, lambda path: torch.save(checkpoint, path))
    text = config.pretty_text
    write_whole(args.out.with_suffix(".py"), lambda path: path.write_text(text, encoding="utf-8"))
    for setting in not_carried_over(snapshot.config):
        print(f"not carried over (training only): {setting}")
    print(f"checkpoint: {args.out} ({snapshot.images_seen} images seen)")
    print(f"config:     {args.out.with_suffix('.py')}")


def derive_config(snapshot: OfficialSnapshot) -> Config:
    """The whole config: the stored model and optimisers, our data, runtime and evaluation."""
    config = Config.fromfile(BASE_CONFIG)
    for name in [name for name in config if name.startswith("_")]:
        config.pop(name)
    head = snapshot.discriminator.get(FEATURE_BIAS)
    config.model = model_config(snapshot.config, None if head is None else len(head))
    config.optim_wrapper = optimizer_config(snapshot.config)
    generator = config.model.generator
    data = dict(
        resolution=generator.image_size,
        conditional=config.model.num_classes is not None,
        use_depth=generator.depth_adaptor is not None,
    )
    config.train_dataloader.dataset.update(data)
    if config.model.distillation is None:
        config.train_dataloader.dataset.features = None
    for loader in (config.val_dataloader, config.test_dataloader):
        loader.dataset.update(data, use_depth=False)
    config.resolution = generator.image_size
    return config


def make_checkpoint(snapshot: OfficialSnapshot, config: Config) -> dict[str, Any]:
    """The snapshot's weights under our names.

    Tensors that follow from config and time (`meta.official_derived`) are not part of our model, and are
    kept only so that they can be given back as they were.

    Raises:
        ValueError: If a network's tensors do not map one to one; all that do not are listed.
    """
    init_default_scope("mmagic")
    model: ThreeDGP = MODELS.build(config.model)
    parts = {
        "G": (model.generator, snapshot.generator),
        "G_ema": (model.generator_ema.module, snapshot.generator_ema),
        "D": (model.discriminator, snapshot.discriminator),
    }
    problems = []
    for name, (module, state) in parts.items():
        try:
            load_official(module, state)
        except ValueError as error:
            problems.append(f"{name}: {error}")
    if problems:
        raise ValueError("the snapshot does not map:\n" + "\n".join(problems))
    model.images_seen.fill_(snapshot.images_seen)
    batch_size = int(snapshot.config["training"].get("batch_size") or 1)
    # Not 0, at which the average starts anew from the generator.
    model.generator_ema.steps.fill_(max(snapshot.images_seen // batch_size, 1))
    derived = {
        name: {key: value for key, value in state.items() if is_derived(key) and "filter" not in key}
        for name, (_, state) in parts.items()
    }
    meta = dict(official_derived=derived, official_config=snapshot.config, dataset_meta={})
    return dict(meta=meta, state_dict=model.state_dict())


def write_whole(path: Path, write: Callable[[Path], object]) -> None:
    """Write a file under a passing name first, so that there is never half a file."""
    with whole_file(path) as passing:
        write(passing)


if __name__ == "__main__":
    main()
