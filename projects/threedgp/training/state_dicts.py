"""Checkpoints that fit: names without wrappers, and a refusal of those of another config."""

import logging
from typing import Any

from mmengine.logging import print_log
from mmengine.model import is_model_wrapper
from torch import Tensor, nn


def unwrap(module: nn.Module) -> Any:
    """Return the module inside a distributed wrapper, or a bare module as it is."""
    return module.module if is_model_wrapper(module) else module


def without_wrappers(module: nn.Module, state_dict: dict, prefix: str, local_metadata: dict) -> None:
    """Rename ``generator.module.x`` of a distributed run to ``generator.x``.

    The toolkit loads into the unwrapped children, so the wrapper's names would match nothing, silently.
    """
    for child in ("generator", "discriminator"):
        if is_model_wrapper(getattr(module, child, None)):
            start = f"{prefix}{child}.module."
            for key in [key for key in state_dict if key.startswith(start)]:
                state_dict[f"{prefix}{child}." + key.removeprefix(start)] = state_dict.pop(key)


def handle_misfits(own: dict[str, Tensor], given: dict[str, Tensor], prefix: str, strict: bool) -> None:
    """Refuse a checkpoint of another config, or leave out what does not fit.

    Args:
        own: State of the model.
        given: State of the checkpoint; misfits are removed from it unless ``strict``.
        prefix: Start of the model's names in the checkpoint.
        strict: Whether to refuse.

    Raises:
        ValueError: If anything is missing, unknown or of another shape, and ``strict``.
    """
    own = {prefix + key: value for key, value in own.items()}
    missing = sorted(own.keys() - given.keys())
    unknown = sorted(key for key in given if key.startswith(prefix) and key not in own)
    reshaped = sorted(key for key in own.keys() & given.keys() if given[key].shape != own[key].shape)
    shapes = [f"{k}: {tuple(given[k].shape)} instead of {tuple(own[k].shape)}" for k in reshaped]
    if not (missing or unknown or shapes):
        return
    report = "\n".join(
        f"  {title} ({len(names)}): {names[:5]}"
        for title, names in (("missing", missing), ("unknown", unknown), ("other shapes", shapes))
        if names
    )
    if strict:
        raise ValueError(
            "checkpoint: it belongs to another config (model.strict_load=False loads what fits).\n" + report
        )
    print_log("checkpoint: loading what fits\n" + report, logger="current", level=logging.WARNING)
    for key in unknown + reshaped:
        given.pop(key)
