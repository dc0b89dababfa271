"""Configs of components as default arguments, and how components are built of configs."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from mmagic.registry import MODELS

from ..ranges import check_ranges

Config = Mapping[str, Any]
"""Type and arguments of a component, or the arguments alone."""


def frozen(**config: Any) -> Config:
    """Return a read-only config: a default argument that no instance can change for the others."""
    return MappingProxyType(config)


def build(config: Config | None, **defaults: Any) -> Any:
    """Build a component.

    Args:
        config: Config of the component; None (or an empty one) for none.
        **defaults: Arguments that the config may override.

    Raises:
        ValueError: If a number is out of the range that the component's signature says.
    """
    if not config:
        return None
    kind = config.get("type")
    component = MODELS.get(kind) if isinstance(kind, str) else kind
    if isinstance(component, type):
        init: Any = component.__init__  # type: ignore[misc]
        check_ranges(init, {**defaults, **config}, component.__name__)
    return MODELS.build(dict(config), default_args=defaults)
