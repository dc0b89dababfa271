"""3DGP as a plugin of mmagic: importing this package registers every component."""

from . import compat  # noqa: F401, I001  (must come before anything of mmagic)
from . import datasets, engine, evaluation, models
from .models import distilled_stylegan2, threedgp

__version__ = "0.1.0"
__all__ = ["datasets", "distilled_stylegan2", "engine", "evaluation", "models", "threedgp"]
