"""Configs of components as default arguments, and how components are built of configs."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from mmagic.registry import MODELS

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
    """
    return MODELS.build(dict(config), default_args=defaults) if config else None
