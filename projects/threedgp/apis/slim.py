"""Small files of trained models, for sampling only.

Such a file holds the averaged generator (the trained one of a model without average) under the names of a
`ThreeDGP` with `discriminator=None` and `ema_config=None`, `generator.*`; with `images_seen` and
`label_distribution`. Its tensors are in half precision where they are weights and maps; vectors and single
numbers, which take no room, stay as they are, and so do integers. Loading makes float32 of all of it.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from mmengine.config import Config
from torch import Tensor

from ..engine.checkpoint_loading import meta_of, read_checkpoint
from ..errors import UserError
from ..training.threedgp import ThreeDGP
from ..whole_files import whole_file
from .loading import SAMPLING_ONLY, ClassNames, load_config, load_model, sampling_config

DTYPES = dict(float16=torch.float16, float32=torch.float32)
# What a process needs before it can build the model.
CONFIG_KEYS = ("custom_imports", "default_scope")
# The dumped text is not in the style of the repository's formatter, nor annotated.
CONFIG_HEAD = """\"\"\"Samples {name}; written by tools/model_converters/slim.py.\"\"\"

# fmt: off
# mypy: ignore-errors
"""


def slim(config_path: str | None, checkpoint_path: str, out: Path, dtype: str) -> Iterator[str]:
    """Slim a checkpoint.

    Args:
        config_path: The training's config; None for the one the checkpoint knows.
        checkpoint_path: The checkpoint.
        out: The small file; its config is written beside it, under the same name with .py.
        dtype: Of weights and maps, a key of `DTYPES`.

    Yields:
        What was done, line by line.

    Raises:
        UserError: If a file would overwrite its source, or there is nothing to leave out.
    """
    sources = {Path(path).resolve() for path in (config_path, checkpoint_path) if path}
    for target in (out, out.with_suffix(".py")):
        if target.resolve() in sources:
            raise UserError(f"OUT.pth: got {out}, wanted a name that does not overwrite {target}")
    config = load_config(config_path, checkpoint_path)
    model, names = load_model(config, checkpoint_path, "cpu")
    source = read_checkpoint(checkpoint_path)
    if meta_of(source).get(SAMPLING_ONLY):
        raise UserError(f"CHECKPOINT: got {checkpoint_path}, which is for sampling only already")
    checkpoint = slim_checkpoint(model, names, Path(checkpoint_path).name, DTYPES[dtype])
    text = CONFIG_HEAD.format(name=out.name) + slim_config(config, names).pretty_text
    with whole_file(out) as passing:
        save(checkpoint, passing)
    with whole_file(out.with_suffix(".py")) as passing:
        passing.write_text(text, encoding="utf-8")
    for name, size in dropped_parts(source, averaged=model.with_ema_gen):
        yield f"dropped: {name} ({megabytes(size)})"
    size, kimg = out.stat().st_size, checkpoint["meta"]["kimg"]
    yield f"checkpoint: {out} ({megabytes(size)}, {dtype}, {kimg:g} kimg)"
    yield f"config:     {out.with_suffix('.py')}"


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
