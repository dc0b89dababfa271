"""The config of a run: from a file or a checkpoint, with the options of the command line and what follows."""

import os
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from mmengine.config import Config, DictAction

from ..errors import UserError, blame
from .checkpoint_loading import meta_of
from .config_check import LOADERS, check_names, check_option, default_part
from .dependent_settings import settle
from .plain_config import parse_plain_config

EVALUATORS = ("val_evaluator", "test_evaluator")
DATA_SECTIONS = (*LOADERS, *EVALUATORS)
SETTINGS_OF_A_PROCESS = ("launcher", "resume", "load_from", "work_dir")
"""What a stored config says about the run that wrote it, which is not true of another."""


def read_config(path: str | Path) -> Config:
    """Read a config file.

    Raises:
        UserError: Whatever goes wrong in it, since it is the user's program.
    """
    with blame(f"config {path}", Exception):
        config = Config.fromfile(str(path))
        check_names(config)
        return config


def stored_config(stored: dict[str, Any], checkpoint: str) -> Config:
    """The config of a checkpoint: the one in it, else the one beside it, of the same name; neither is run.

    Args:
        stored: The checkpoint.
        checkpoint: Its path or URL.

    Raises:
        UserError: There is neither, or it holds more than plain values.
    """
    text = meta_of(stored).get("cfg")
    beside = Path(checkpoint).with_suffix(".py")
    if isinstance(text, str):
        return _plain_config(text, f"config in {checkpoint}", beside.name)
    if "://" in checkpoint or not beside.is_file():
        raise UserError(
            f"CHECKPOINT {checkpoint}: holds no config, and there is no {beside}; give CONFIG too"
        )
    with blame(f"config {beside}", OSError, UnicodeDecodeError):
        text = beside.read_text(encoding="utf-8")
    return _plain_config(text, f"config {beside}", str(beside))


def _plain_config(text: str, subject: str, filename: str) -> Config:
    with blame(subject, Exception):
        values = parse_plain_config(text)
        kept = {name: value for name, value in values.items() if name not in SETTINGS_OF_A_PROCESS}
        return Config(kept, cfg_text=text, filename=filename)


def merge_options(config: Config, options: Sequence[str]) -> None:
    """Apply options such as `model.r1.gamma=0.1`, in their order, and what follows from them.

    A part that is None in the config is switched on by an option for anything in it: it begins as the
    default of what it is a part of.

    Args:
        config: The config; changed in place.
        options: Texts `KEY=VALUE`.

    Raises:
        UserError: If one is malformed, or there is nothing of its name.
    """
    keys = set()
    for option in options:
        key, equals, text = option.partition("=")
        if not (key and equals):
            raise UserError(f"--cfg-options {option}: wanted KEY=VALUE")
        check_option(config, key)
        with blame(f"--cfg-options {option}", Exception):
            _switch_on(config, key)
            config.merge_from_dict({key: DictAction._parse_iterable(text)})
        keys.add(key)
    settle(config, keys)


def _switch_on(config: Config, key: str) -> None:
    node: Any = config
    *parents, _ = key.split(".")
    for depth, name in enumerate(parents, start=1):
        if isinstance(node, dict | Config) and name in node and node[name] is None:
            node[name] = default_part(node, name, ".".join(parents[:depth]))
        node = node[int(name)] if isinstance(node, list | tuple) else node.get(name, {})


def redirect_data_root(config: Config, data_root: str) -> None:
    """Point every dataset in the loaders and the metrics of a config at one folder.

    Files of the metrics and the model that lie beside the old folder, such as the scenes' true cameras or
    teacher, are looked for beside the new one; what is not there stays, with a warning.

    Args:
        config: The config; changed in place.
        data_root: The folder every `data_root` becomes.

    Raises:
        UserError: The config has no `data_root` there.
    """
    found = [owner for key in DATA_SECTIONS for owner in owners_of_data_root(config.get(key))]
    if not found:
        raise UserError(f"--data-root {data_root}: no loader of {config.filename} has a data_root")
    old_parents = {os.path.dirname(os.path.normpath(owner["data_root"])) for owner in found}
    for owner in found:
        owner["data_root"] = data_root
    new_parent = os.path.dirname(os.path.normpath(data_root))
    for section in ("model", *EVALUATORS):
        for old_parent in filter(None, old_parents):
            _redirect_files(config.get(section), section, old_parent, new_parent)


def owners_of_data_root(node: Any) -> Iterator[dict]:
    """Every dictionary under `node` with a `data_root` key."""
    if isinstance(node, dict):
        if "data_root" in node:
            yield node
        for child in node.values():
            yield from owners_of_data_root(child)
    elif isinstance(node, list | tuple):
        for child in node:
            yield from owners_of_data_root(child)


def _redirect_files(node: Any, field: str, old_parent: str, new_parent: str) -> None:
    items: Any = ()
    if isinstance(node, dict):
        items = node.items()
    elif isinstance(node, list):
        items = enumerate(node)
    for key, value in list(items):
        name = f"{field}.{key}"
        if not isinstance(value, str):
            _redirect_files(value, name, old_parent, new_parent)
        elif value.startswith(old_parent + os.sep) and key != "data_root":
            new = os.path.join(new_parent, os.path.relpath(value, old_parent))
            if os.path.exists(new):
                node[key] = new
            else:
                warnings.warn(f"--data-root: {name} stays {value}, since there is no {new}", stacklevel=1)
