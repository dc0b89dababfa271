"""Whether a training can go on from what a checkpoint holds beside the weights, before anything is loaded."""

from collections.abc import Iterator, Mapping
from typing import Any

import torch
from mmengine.optim import OptimWrapperDict
from mmengine.runner import Runner

from ..errors import UserError, blame

HUB_PARTS = ("log_scalars", "runtime_info", "resumed_keys")


def check_resumed(runner: Runner, checkpoint: Mapping[str, Any], name: str) -> None:
    """Refuse counts, records and optimisers that the toolkit would stumble over, or train on with.

    Args:
        runner: The runner, with its optimisers built; their state becomes the checkpoint's.
        checkpoint: The checkpoint.
        name: It, for the message.

    Raises:
        UserError: The first thing that is wrong.
    """
    meta = checkpoint["meta"]
    for key in ("iter", "epoch", "seed"):
        value = meta.get(key)
        optional = key == "seed" and value is None
        if not optional and (not isinstance(value, int) or isinstance(value, bool) or value < 0):
            raise UserError(f"resume: {name}: meta.{key}: got {value!r}, wanted a whole number from 0 on")
    hub = checkpoint.get("message_hub")
    if not isinstance(hub, Mapping) or not all(isinstance(hub.get(part), Mapping) for part in HUB_PARTS):
        raise UserError(f"resume: {name}: message_hub: wanted {', '.join(HUB_PARTS)}, a dict each")
    if "optimizer" in checkpoint:
        with blame(f"resume: {name}: optimizer", Exception):
            if isinstance(runner.optim_wrapper, OptimWrapperDict):
                _check_owners(set(checkpoint["optimizer"]), set(runner.optim_wrapper.keys()))
            runner.optim_wrapper.load_state_dict(checkpoint["optimizer"])
            for place, problem in _problems(runner.optim_wrapper) if meta["iter"] else ():
                raise UserError(f"resume: {name}: optimizer{place}: got {problem}, wanted finite numbers")


def _check_owners(got: set[str], wanted: set[str]) -> None:
    if got != wanted:
        raise ValueError(f"got those of {', '.join(sorted(got))}, wanted {', '.join(sorted(wanted))}")


def _problems(wrapper: Any) -> Iterator[tuple[str, str]]:
    """What in the state of optimisers is broken, and where."""
    wrappers = dict(wrapper.items()) if isinstance(wrapper, OptimWrapperDict) else {"": wrapper}
    for owner, each in wrappers.items():
        place = f".{owner}" if owner else ""
        if not each.optimizer.state and "betas" in each.optimizer.defaults:
            yield f"{place}.state", "no moments"
        for group in each.optimizer.param_groups:
            for key, value in group.items():
                if isinstance(value, float) and not torch.tensor(value).isfinite():
                    yield f"{place}.{key}", f"{value}"
        for parameter, state in each.optimizer.state.items():
            for key, value in state.items():
                if not isinstance(value, torch.Tensor):
                    continue
                if value.ndim and value.shape != parameter.shape:
                    shapes = f"{tuple(value.shape)} for weights of shape {tuple(parameter.shape)}"
                    yield f"{place}.{key}", shapes
                if not value.isfinite().all():
                    yield f"{place}.{key}", "NaN or infinity"
