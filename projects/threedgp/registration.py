"""Registers components with the toolkit when a registry is first asked, as the toolkit does its own."""

import sys
from collections.abc import Sequence
from importlib import import_module
from importlib.abc import Loader
from types import ModuleType

from .compat import ExecutingFinder

REGISTRIES = "mmagic.registry"


def register_on_look_up(modules: Sequence[str]) -> None:
    """Let every registry of mmagic import these modules before its first look-up.

    Importing them, and with them torch and all of mmagic, takes seconds, which a program that only prints
    its help need not spend: not even the registries are imported here. A registry that has been asked already
    imports the modules at once.

    Args:
        modules: Full names of modules that register components when they are imported.
    """
    if REGISTRIES in sys.modules:
        _add_locations(sys.modules[REGISTRIES], modules)
        return

    def execute(loader: Loader, module: ModuleType) -> None:
        loader.exec_module(module)
        _add_locations(module, modules)

    sys.meta_path.insert(0, ExecutingFinder((REGISTRIES,), execute))


def _add_locations(registry_module: ModuleType, modules: Sequence[str]) -> None:
    from mmengine.registry import Registry

    registries = [item for item in vars(registry_module).values() if isinstance(item, Registry)]
    for each in registries:
        each._locations.extend(modules)  # what `Registry(locations=)` sets
    if any(each._imported for each in registries):
        for module in modules:
            import_module(module)
