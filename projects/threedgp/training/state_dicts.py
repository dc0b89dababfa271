"""Checkpoints that fit: names without wrappers, and a refusal of those of another config."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from mmengine.logging import print_log
from mmengine.model import is_model_wrapper
from torch import Tensor, nn

AVERAGE, SOURCE = "generator_ema.module.", "generator."
# What checkpoints did not have from the beginning, and what it is in those without.
LATER = {"generator_ema.images_before": torch.zeros((), dtype=torch.long)}


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


@torch.no_grad()
def not_finite(state: Mapping[str, Any]) -> list[str]:
    """Names of the tensors that hold NaN or infinity.

    Args:
        state: Parameters, averaged parameters, buffers and what else there is, by name.
    """
    values = {
        name: value
        for name, value in state.items()
        if isinstance(value, Tensor) and value.is_floating_point() and value.numel()
    }
    if not values:
        return []
    finite = torch.stack([value.isfinite().all().cpu() for value in values.values()])
    return [name for name, is_finite in zip(values, finite.tolist(), strict=True) if not is_finite]


@dataclass(frozen=True)
class Misfits:
    """What of a checkpoint and a model does not fit together, by name."""

    missing: list[str]
    unknown: list[str]
    reshaped: dict[str, str]

    def __bool__(self) -> bool:
        return bool(self.missing or self.unknown or self.reshaped)

    def __str__(self) -> str:
        shapes = [f"{name}: {shape}" for name, shape in self.reshaped.items()]
        groups = (("missing", self.missing), ("unknown", self.unknown), ("other shapes", shapes))
        return "\n".join(f"  {title} ({len(names)}): {names[:5]}" for title, names in groups if names)


def find_misfits(own: Mapping[str, Tensor], given: Mapping[str, Tensor], prefix: str = "") -> Misfits:
    """Compare the state of a model with that of a checkpoint.

    Args:
        own: State of the model.
        given: State of the checkpoint.
        prefix: Start of the model's names in the checkpoint.
    """
    own = {prefix + key: value for key, value in own.items()}
    later = {prefix + key for key in LATER}
    return Misfits(
        missing=sorted(own.keys() - given.keys() - later),
        unknown=sorted(key for key in given if key.startswith(prefix) and key not in own),
        reshaped={
            key: f"{_form(given[key])} instead of {_form(own[key])}"
            for key in sorted(own.keys() & given.keys())
            if given[key].shape != own[key].shape or _kind(given[key]) != _kind(own[key])
        },
    )


def _form(value: Tensor) -> str:
    return f"{tuple(value.shape)} of {_kind(value)} numbers"


def _kind(value: Tensor) -> str:
    """What numbers a tensor is of; a precision is no kind."""
    return "complex" if value.is_complex() else "real" if value.is_floating_point() else "whole"


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
    for key, value in LATER.items():
        if key in own:
            given.setdefault(prefix + key, value)
    misfits = find_misfits(own, given, prefix)
    if not misfits:
        return
    if strict:
        raise ValueError(
            f"it belongs to another config (model.strict_load=False loads what fits).\n{misfits}"
        )
    print_log(f"checkpoint: loading what fits\n{misfits}", logger="current", level=logging.WARNING)
    for key in [*misfits.unknown, *misfits.reshaped]:
        given.pop(key)
    for key in [*misfits.missing, *misfits.reshaped]:
        # What has no average of its own begins as that of which it is one.
        if (name := key.removeprefix(prefix)).startswith(AVERAGE):
            source = SOURCE + name.removeprefix(AVERAGE)
            given[key] = given.get(prefix + source, own[source])
