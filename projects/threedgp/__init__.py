"""3DGP as a plugin of mmagic: with this package imported, the registries know every component."""

from . import compat  # noqa: F401  (must come before anything of mmagic)
from .registration import register_on_look_up

__version__ = "0.1.0"

register_on_look_up([f"{__name__}.{room}" for room in ("data", "engine", "evaluation", "models", "training")])
