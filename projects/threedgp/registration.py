"""Registers components with the toolkit when a registry is first asked, as the toolkit does its own."""

import sys
from collections.abc import Iterable, Sequence
from importlib import import_module
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType

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
    else:
        sys.meta_path.insert(0, _RegistriesFinder(modules))


def _add_locations(registry_module: ModuleType, modules: Sequence[str]) -> None:
    from mmengine.registry import Registry

    registries = [item for item in vars(registry_module).values() if isinstance(item, Registry)]
    for each in registries:
        each._locations.extend(modules)  # what `Registry(locations=)` sets
    if any(each._imported for each in registries):
        for module in modules:
            import_module(module)


class _RegistriesFinder(MetaPathFinder):
    """Finds the module of the registries, as Python does, once, and adds to it what it will import."""

    def __init__(self, modules: Sequence[str]) -> None:
        self.modules = modules

    def find_spec(
        self, fullname: str, path: Iterable[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname != REGISTRIES:
            return None
        spec = PathFinder.find_spec(fullname, None if path is None else list(path), target)
        if spec is not None and spec.loader is not None:
            spec.loader = _RegistriesLoader(spec.loader, self.modules)
        return spec


class _RegistriesLoader(Loader):
    """Runs the module of the registries, then adds the modules to them."""

    def __init__(self, loader: Loader, modules: Sequence[str]) -> None:
        self.loader, self.modules = loader, modules

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        return self.loader.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        self.loader.exec_module(module)
        _add_locations(module, self.modules)
