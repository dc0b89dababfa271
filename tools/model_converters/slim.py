"""Makes a small file of a checkpoint, for sampling only: `slim.py CONFIG CHECKPOINT OUT.pth`.

Writes OUT.pth and, beside it, OUT.py, the config that belongs to it and to nothing else; both go to
tools/render.py and to the inferencer, which takes OUT.pth with the config of the training as well.

OUT.pth holds the averaged generator (the trained one of a model without average) under the names of a
`ThreeDGP` with `discriminator=None` and `ema_config=None`, `generator.*`; with `images_seen` and
`label_distribution`. Its tensors are in half precision where they are weights and maps; vectors and
single numbers, which take no room, stay as they are, and so do integers. Loading makes float32 of all
of it. Training cannot go on from it, and tools/test.py with the training's config refuses it.
"""

import argparse
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import torch
from mmengine.config import Config
from torch import Tensor

from projects.threedgp.apis.loading import SAMPLING_ONLY, load_model, sampling_config
from projects.threedgp.engine import launch
from projects.threedgp.engine.checkpoint_loading import ClassNames, read_checkpoint
from projects.threedgp.training.threedgp import ThreeDGP
from tools.model_converters.official_to_mmengine import write_whole

DTYPES = dict(float16=torch.float16, float32=torch.float32)
# What a process needs before it can build the model.
CONFIG_KEYS = ("custom_imports", "default_scope")
# The dumped text is not in the style of the repository's formatter, nor annotated.
CONFIG_HEAD = """\"\"\"Samples {name}; written by tools/model_converters/slim.py.\"\"\"

# fmt: off
# mypy: ignore-errors
"""


def parse_arguments(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """The command line; paths that do not exist or would be overwritten end here."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("config", type=launch.existing_file, help="the config of the training")
    add("checkpoint", type=launch.existing_file, help="a checkpoint of it")
    add("out", type=Path, metavar="OUT.pth", help="OUT.py is written beside it")
    add("--dtype", choices=sorted(DTYPES), default="float16", help="of weights (default: float16)")
    args = parser.parse_args(argv)
    if args.out.suffix != ".pth":
        parser.error(f"OUT.pth: got {args.out}, wanted a name that ends in .pth")
    sources = {Path(path).resolve() for path in (args.config, args.checkpoint)}
    for out in (args.out, args.out.with_suffix(".py")):
        if out.resolve() in sources:
            parser.error(f"OUT.pth: got {args.out}, wanted a name that does not overwrite {out}")
    return args


def main(argv: Sequence[str] | None = None) -> None:
    """Slims the checkpoint of the command line."""
    args = parse_arguments(argv)
    config = Config.fromfile(args.config)
    model, names = load_model(config, args.checkpoint, "cpu")
    source = read_checkpoint(args.checkpoint)
    if (source.get("meta") or {}).get(SAMPLING_ONLY):
        raise ValueError(f"CHECKPOINT: got {args.checkpoint}, which is for sampling only already")
    checkpoint = slim_checkpoint(model, names, Path(args.checkpoint).name, DTYPES[args.dtype])
    config_path = args.out.with_suffix(".py")
    text = CONFIG_HEAD.format(name=args.out.name) + slim_config(config, names).pretty_text
    args.out.parent.mkdir(parents=True, exist_ok=True)
    write_whole(args.out, lambda path: save(checkpoint, path))
    write_whole(config_path, lambda path: path.write_text(text, encoding="utf-8"))
    for name, size in dropped_parts(source, averaged=model.with_ema_gen):
        print(f"dropped: {name} ({megabytes(size)})")
    size, kimg = args.out.stat().st_size, checkpoint["meta"]["kimg"]
    print(f"checkpoint: {args.out} ({megabytes(size)}, {args.dtype}, {kimg:g} kimg)")
    print(f"config:     {config_path}")


def save(checkpoint: dict[str, Any], path: Path) -> None:
    """Write a checkpoint; the same one gives the same bytes, as the repository keeps versions of it."""
    # Given a path, torch writes its name, here a random one, into the file.
    with path.open("wb") as file:
        torch.save(checkpoint, file)


def slim_checkpoint(model: ThreeDGP, names: ClassNames, source: str, dtype: torch.dtype) -> dict[str, Any]:
    """The checkpoint for sampling only.

    Args:
        model: The model with its weights.
        names: Names of its classes, if they are known.
        source: Name of the file that the weights come from, kept as a record.
        dtype: Of weights and maps.

    Raises:
        ValueError: If a weight is not finite, or too large for `dtype`; the first is named.
    """
    weights = {f"generator.{name}": value for name, value in model.generator_of().state_dict().items()}
    state = {name: rounded(name, value, dtype) for name, value in weights.items()}
    state |= dict(images_seen=model.images_seen, label_distribution=model.label_distribution)
    meta = {
        SAMPLING_ONLY: True,
        "dataset_meta": dict(classes=list(names)) if names else {},
        "source": source,
        "kimg": model.kimg,
    }
    return dict(meta=meta, state_dict=state)


def rounded(name: str, value: Tensor, dtype: torch.dtype) -> Tensor:
    """The tensor in `dtype` if it has two dimensions or more and is no integer, otherwise itself."""
    if not value.isfinite().all():
        raise ValueError(f"{name}: got numbers that are not finite, wanted weights of a sound training")
    if value.ndim < 2 or not value.is_floating_point():
        return value
    result = value.to(dtype)
    if not result.isfinite().all():
        largest, limit = value.abs().max(), torch.finfo(dtype).max
        raise ValueError(f"{name}: got {largest:g}, wanted at most {limit:g} (or --dtype float32)")
    return result


def slim_config(config: Config, names: ClassNames) -> Config:
    """The config of a checkpoint for sampling only: no data, no schedule, no path."""
    kept = {key: config[key] for key in CONFIG_KEYS if config.get(key)}
    if names:
        kept["metainfo"] = dict(classes=list(names))
    return Config(dict(kept, model=sampling_config(config)))


def dropped_parts(source: Mapping[str, Any], averaged: bool) -> Iterator[tuple[str, int]]:
    """Name and size in bytes of each part of a checkpoint that sampling does not need.

    Args:
        source: The whole checkpoint.
        averaged: Whether it has an average, in place of which the trained generator is dropped.
    """
    state = source.get("state_dict", source)
    for network in ("discriminator", "generator") if averaged else ("discriminator",):
        weights = [value for key, value in state.items() if key.startswith(f"{network}.")]
        if weights:
            yield network, tensor_bytes(weights)
    for key in sorted(source.keys() - state.keys() - {"state_dict", "meta"}):
        yield key, tensor_bytes(source[key])


def tensor_bytes(node: Any) -> int:
    """Bytes of all tensors in nested dictionaries and lists."""
    if isinstance(node, Tensor):
        return node.nbytes
    if isinstance(node, Mapping):
        node = list(node.values())
    return sum(map(tensor_bytes, node)) if isinstance(node, list | tuple) else 0


def megabytes(size: int) -> str:
    """A size in bytes, for people."""
    return f"{size / 1e6:.2f} MB"


if __name__ == "__main__":
    main()
