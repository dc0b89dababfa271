"""Configs and checkpoints of before the generator was made of parts: their names, and the present ones."""

import difflib
from collections.abc import Mapping
from typing import Any

from .building import Config

_KEYS = {
    "planes": "field",
    "mlp_hidden_dim": "field.mlp_hidden_dim",
    "cube_scale": "field.cube_scale",
    "marching": "renderer",
    "density_noise": "renderer.density_noise",
    "rays_per_chunk": "renderer.rays_per_chunk",
    "w_dim": "mapping.w_dim",
    "mapping_layers": "mapping.num_layers",
}
_MODULES = {"decoder.": "field.decoder.", "mlp.": "field.mlp."}


def with_old_keys(parts: Mapping[str, Config], old: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Return the configs of parts, changed by arguments that the generator once had.

    Args:
        parts: Configs of the parts, by name.
        old: Arguments under their old names.

    Raises:
        TypeError: If the generator has never had such an argument.
    """
    changed = {name: dict(config) for name, config in parts.items()}
    for key, value in old.items():
        if key not in _KEYS:
            close = difflib.get_close_matches(key, [*_KEYS, *parts], n=1)
            hint = f"; did you mean {_KEYS.get(close[0], close[0])!r}?" if close else ""
            raise TypeError(f"generator: got an unknown argument {key!r}{hint}")
        part, _, name = _KEYS[key].partition(".")
        _merge(changed[part], {name: value} if name else value or {})
    return changed


def _merge(config: dict[str, Any], changes: Mapping[str, Any]) -> None:
    for key, value in changes.items():
        mine = config.get(key)
        if isinstance(mine, Mapping) and isinstance(value, Mapping):
            value = {**mine, **value}
        config[key] = value


def rename_old_tensors(state_dict: dict[str, Any], prefix: str) -> None:
    """Rename the tensors of a generator, in place; those of today stay as they are.

    Args:
        state_dict: Tensors of a checkpoint.
        prefix: Start of the generator's names.
    """
    for old, new in _MODULES.items():
        for key in [key for key in state_dict if key.startswith(prefix + old)]:
            state_dict[prefix + new + key.removeprefix(prefix + old)] = state_dict.pop(key)
