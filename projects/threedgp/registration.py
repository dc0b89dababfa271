"""Registers components with the toolkit when a registry is first asked, as the toolkit does its own."""

from collections.abc import Sequence
from importlib import import_module

from mmagic import registry
from mmengine.registry import Registry


def register_on_look_up(modules: Sequence[str]) -> None:
    """Let every registry of mmagic import these modules before its first look-up.

    Importing them, and with them all of mmagic, takes seconds, which a program that only prints its
    help need not spend. A registry that has been asked already imports them at once.

    Args:
        modules: Full names of modules that register components when they are imported.
    """
    registries = [item for item in vars(registry).values() if isinstance(item, Registry)]
    for each in registries:
        each._locations.extend(modules)  # what `Registry(locations=)` sets
    if any(each._imported for each in registries):
        for module in modules:
            import_module(module)
