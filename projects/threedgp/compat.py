"""What makes mmagic 1.2 importable with current packages.

mmagic imports all of its editors at once, and with them some thirty packages of which this plugin
uses none (diffusers, transformers, controlnet-aux, mediapipe, face-alignment, numba, ...), several
in versions that fit no current Python. They are not installed: an editor that cannot be imported
becomes a placeholder, which says why as soon as it is used.

Importing this module is all that is needed; it has to happen before ``mmagic.models``,
``mmagic.datasets`` or ``mmagic.apis`` is imported. Each remedy acts only where the real thing is
absent or does not import, so a full ``mmcv`` or a real ``diffusers`` wins.
"""

from __future__ import annotations

import importlib.util
import pkgutil
import sys
import warnings
from collections.abc import Callable, Container, Iterable
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType
from typing import Any

import numpy as np

MMCV_EXT = "mmcv._ext"
DIFFUSERS = "diffusers"

# Parts of mmagic that import what is not installed, or what current packages no longer have.
OPTIONAL_MODULES = {
    "mmagic.apis.inferencers.controlnet_animation_inferencer": "needs controlnet-aux",
    "mmagic.datasets.transforms.albu_function": "needs albumentations, which brings a second OpenCV",
    "mmagic.models.archs.attention_injection": "needs diffusers",
    "mmagic.models.editors.animatediff": "needs diffusers 0.24, transformers and einops",
    "mmagic.models.editors.disco_diffusion": "needs pandas and resize-right",
    "mmagic.models.editors.fastcomposer": "needs transformers",
    "mmagic.models.editors.restormer": "needs einops",
    "mmagic.models.editors.vico": "needs diffusers 0.24",
}


def require_toolkit() -> None:
    """Say how to install mmagic where it is missing: pip cannot, its dependencies fit no current Python."""
    if importlib.util.find_spec("mmagic") is None:
        raise ModuleNotFoundError(
            "threedgp is a plugin of mmagic, which is not installed: pip install --no-deps mmagic==1.2.0",
            name="mmagic",
        )


require_toolkit()


class MissingOps(ModuleType):
    """A module in which every op exists and raises only when it is called."""

    def __getattr__(self, name: str) -> Callable[..., Any]:
        # Dunder names are probed by the import system, by inspect and by pickle.
        if name.startswith("__") and name.endswith("__"):
            raise AttributeError(name)

        def missing_op(*args: Any, **kwargs: Any) -> None:
            raise RuntimeError(
                f'mmcv op "{name}" was called, but mmcv-lite is installed, which has no compiled '
                "ops. Install mmcv 2.1.0 with its ops to use the component that needs it."
            )

        return missing_op


def execute_or_replace(loader: Loader, module: ModuleType) -> None:
    """Execute a module of ``OPTIONAL_MODULES``, or fill it with placeholders that say what it needs."""
    try:
        loader.exec_module(module)
    except Exception as error:  # whatever an outdated or half-installed package raises
        reason = f"{module.__name__} {OPTIONAL_MODULES[module.__name__]}: {error}"
        module.__getattr__ = lambda name: _placeholder(name, reason)  # type: ignore[method-assign]


def _placeholder(name: str, reason: str) -> type:
    if name.startswith("__") and name.endswith("__"):
        raise AttributeError(name)

    def refuse(self: object, *args: Any, **kwargs: Any) -> None:
        raise ImportError(f"{name} is not available: {reason}")

    return type(name, (), {"__init__": refuse})


class ExecutingFinder(MetaPathFinder):
    """Finds some modules, as Python does, and has them executed in another way.

    Args:
        names: Full names of the modules.
        execute: Gets the loader that Python found, and the module.
    """

    def __init__(self, names: Container[str], execute: Callable[[Loader, ModuleType], None]) -> None:
        self.names, self.execute = names, execute

    def find_spec(
        self, fullname: str, path: Iterable[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """The module's spec, or None if it is not one of ours."""
        if fullname not in self.names:
            return None
        spec = PathFinder.find_spec(fullname, None if path is None else list(path), target)
        if spec is not None and spec.loader is not None:
            spec.loader = _ExecutingLoader(spec.loader, self.execute)
        return spec


class _ExecutingLoader(Loader):
    def __init__(self, loader: Loader, execute: Callable[[Loader, ModuleType], None]) -> None:
        self.loader, self.execute = loader, execute

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        return self.loader.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        self.execute(self.loader, module)


class MissingOpsFinder(MetaPathFinder, Loader):
    """Finds ``mmcv._ext`` where nobody else does.

    mmcv-lite leaves the binary out, ``mmcv.ops`` checks with ``hasattr`` that every compiled op exists as
    soon as it is imported, and ``mmagic.models`` imports it although none of the ops is used here.
    """

    def find_spec(
        self, fullname: str, path: Iterable[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """The spec of the stand-in, or None if it is not wanted."""
        return ModuleSpec(fullname, self) if fullname == MMCV_EXT else None

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        """The stand-in."""
        return MissingOps(spec.name)

    def exec_module(self, module: ModuleType) -> None:
        """Nothing is left to do."""


def stand_in_mmcv_ext() -> None:
    """Let ``mmcv.ops`` import without the binary, asking for it only when mmcv itself does."""
    sys.meta_path.append(MissingOpsFinder())


def stand_in_diffusers() -> None:
    """Let mmagic register the networks and schedulers of an empty ``diffusers``.

    It registers whatever the real one holds, and unpacks None (a TypeError) where there is none.
    """
    if DIFFUSERS not in sys.modules and importlib.util.find_spec(DIFFUSERS) is None:
        package = ModuleType(DIFFUSERS)
        for name in ("models", "pipelines", "schedulers"):
            setattr(package, name, ModuleType(f"{DIFFUSERS}.{name}"))
        # Some callers ask importlib for the spec of a loaded module, which fails if that is None.
        package.__spec__ = ModuleSpec(DIFFUSERS, loader=None)
        sys.modules[DIFFUSERS] = package


def tolerate_optional_modules() -> None:
    """Let the rest of mmagic import where an editor that is not used here does not."""
    sys.meta_path.insert(0, ExecutingFinder(OPTIONAL_MODULES, execute_or_replace))


def restore_numpy_bool8() -> None:
    """Let ``mmagic.utils`` import: it names ``np.bool8``, which numpy 2 took away."""
    if not hasattr(np, "bool8"):
        setattr(np, "bool8", np.bool_)  # noqa: B010  (its stubs know the name in some versions)


def restore_find_loader() -> None:
    """Let mmengine and mmcv ask whether mmcv has ops: Python 3.14 took ``pkgutil.find_loader`` away."""

    def find_loader(fullname: str) -> Any:
        spec = importlib.util.find_spec(fullname)
        return spec and spec.loader

    if not hasattr(pkgutil, "find_loader"):
        pkgutil.find_loader = find_loader


def silence_harmless_warnings() -> None:
    """Leave out what packages say about themselves at every start, which no user of the plugin can mend."""
    # mmengine asks pkg_resources for versions; setup.cfg keeps a setuptools that has it.
    warnings.filterwarnings("ignore", "pkg_resources is deprecated as an API")
    # mmengine looks for mmcv's ops with it; `restore_find_loader` keeps it working.
    warnings.filterwarnings("ignore", "'pkgutil.find_loader' is deprecated")
    # Configs ask for pinned memory for the sake of GPUs; without one torch does without.
    warnings.filterwarnings("ignore", "'pin_memory' argument is set as true but no accelerator is found")
    # torch's own tracing, asked for by metrics that load TorchScript networks.
    warnings.filterwarnings("ignore", r".*torch\.jit\.\w+. is deprecated")
    # The toolkit's BigGAN-deep, whose checkpoints have that bias.
    warnings.filterwarnings("ignore", "Unnecessary conv bias before batch/instance norm")


silence_harmless_warnings()
stand_in_mmcv_ext()
stand_in_diffusers()
tolerate_optional_modules()
restore_numpy_bool8()
restore_find_loader()
