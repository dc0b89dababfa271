"""Configs and checkpoints that come with the package, found by name from any folder."""

from collections.abc import Sequence
from pathlib import Path

PACKAGE = Path(__file__).resolve().parent
CONFIG_FOLDERS = ("configs", "zoo")


def packaged_file(name: str, folders: Sequence[str], suffix: str) -> Path | None:
    """The file of the package that a name such as ``3dgp_toy64`` means; None for none."""
    for folder in folders:
        path = PACKAGE / folder / (name.removesuffix(suffix) + suffix)
        if "/" not in name and path.is_file():
            return path
    return None


def with_packaged_files(arguments: Sequence[str]) -> list[str]:
    """Replace the names of a packaged config and checkpoint by their paths.

    Args:
        arguments: Of a command that begins with a config, and a checkpoint if it wants one. What exists as
            a path, and everything from the first option on, stays as it is.
    """
    resolved = list(arguments)
    for index, (folders, suffix) in enumerate([(CONFIG_FOLDERS, ".py"), (("zoo",), ".pth")]):
        if len(resolved) <= index or resolved[index].startswith("-"):
            break
        if not Path(resolved[index]).exists():
            found = packaged_file(resolved[index], folders, suffix)
            resolved[index] = str(found or resolved[index])
    return resolved
