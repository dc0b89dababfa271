"""Finds in a config what no component takes, before anything is built of it."""

import difflib
import inspect
import math
from collections.abc import Collection, Iterator, Mapping
from types import NoneType, UnionType
from typing import Any, Union, get_args, get_origin

from mmagic import registry
from mmengine import registry as mmengine_registry
from mmengine.config import Config
from mmengine.registry import Registry
from mmengine.runner import Runner

from ..errors import UserError, blame
from ..ranges import Count, Size, check_ranges
from .plain_config import children

OURS = __name__.partition(".engine")[0]
SECTIONS = frozenset(inspect.signature(Runner.__init__).parameters) - {"self"}
_LOADER = frozenset({"batch_size", "collate_fn", "dataset", "num_workers", "sampler"})
LOADERS = ("train_dataloader", "val_dataloader", "test_dataloader")
FIXED_NAMES = {
    "model": frozenset({"data_preprocessor", "discriminator", "distillation", "ema_config", "generator"}),
    "optim_wrapper": frozenset({"constructor", "discriminator", "generator", "optimizer", "type"}),
    "default_hooks": frozenset({"checkpoint", "logger", "param_scheduler", "sampler_seed", "timer"}),
    "randomness": frozenset({"deterministic", "diff_rank_seed", "seed"}),
    **dict.fromkeys(LOADERS, _LOADER),
}
"""Names in a section that others stand beside, so that a slip in one of them would be one of the others."""
OF_THE_TOOLKIT = frozenset({"discriminators", "generators"})
"""What models of the toolkit that have several call them."""
IMPLIED_TYPES = {"log_processor": "LogProcessor"}
"""What the Runner builds of sections that need not say it."""
PLAIN_SECTIONS = frozenset({"experiment_name", "launcher", "load_from", "log_level", "resume", "work_dir"})
KEYS_OF_THE_TOOLKIT = frozenset({"type", "_scope_", "_delete_"})
KEYS_OF_THE_OWNER = {"ema_config": frozenset({"start_iter"})}
"""What the toolkit's GANs take out of a part's config themselves, by the name of the part."""
NOT_COMPONENTS = frozenset({"init_cfg", "vis_kwargs_list"})
"""Parts of the toolkit's configs whose `type` names a method of their owner."""


def check_option(config: Config, key: str) -> None:
    """Refuse an option whose first name is neither in the config nor a section of a run.

    Raises:
        UserError: With the names that come close.
    """
    name = key.split(".")[0]
    if name not in config and name not in SECTIONS:
        raise UserError(f"--cfg-options {key}: there is no {name!r} in the config{_like(name, {*config})}")


def check_names(config: Config) -> None:
    """Refuse a config with a name that nobody reads and that is all but the name of a section.

    Other names are variables of whoever wrote the config (``batch_size``, ``train_pipeline``), of which
    nobody knows a list; a slip of the finger in ``train_cfg`` would be one of them, and its section be
    passed over.

    Raises:
        ValueError: If a name is one slip from a section's, or two where that is long; case and underscores do
            not count, and neither does a plain value where sections hold more.
    """
    for name in sorted(name for name in config.keys() - SECTIONS if not name.startswith("_")):
        is_plain = not isinstance(config[name], Mapping | list | tuple)
        for section in sorted(PLAIN_SECTIONS if is_plain else SECTIONS):
            ours, theirs = (text.replace("_", "").lower() for text in (name, section))
            if slips(ours, theirs) <= (len(theirs) > 3) + (len(theirs) > 6):
                raise ValueError(f"{name}: no section of a run is called that; did you mean {section!r}?")
    model = config.get("model")
    is_ours = isinstance(model, Mapping) and model.get("type") == "ThreeDGP"
    for section, known in FIXED_NAMES.items():
        node, others = config.get(section), frozenset() if is_ours else OF_THE_TOOLKIT
        unknown = set(map(str, node)) - known - others if isinstance(node, Mapping) else ()
        for name in sorted(unknown):
            if like := next((each for each in sorted(known) if slips(name, each) == 1), None):
                raise ValueError(f"{section}.{name}: nobody reads a name like that; did you mean {like!r}?")


def slips(a: str, b: str) -> int:
    """The least number of letters left out, put in, replaced or swapped with the next that make b of a."""
    rows = [list(range(len(b) + 1))]
    for i, letter in enumerate(a, start=1):
        row = [i]
        for j, other in enumerate(b, start=1):
            row.append(min(rows[-1][j] + 1, row[-1] + 1, rows[-1][j - 1] + (letter != other)))
            if i > 1 and j > 1 and letter == b[j - 2] and a[i - 2] == other:
                row[-1] = min(row[-1], rows[-2][j - 2] + 1)
        rows.append(row)
    return rows[-1][-1]


def check_config(config: Config) -> None:
    """Refuse a config that names a component that nobody has registered, or a key that one does not take.

    Raises:
        UserError: The first of them, with its place in the config.
    """
    sections = {name: config[name] for name in SECTIONS if name in config}
    _check_values(sections)
    for name, implied in IMPLIED_TYPES.items():
        if isinstance(sections.get(name), Mapping):
            sections[name] = {"type": implied, **sections[name]}
    for name in LOADERS:
        if isinstance(sections.get(name), Mapping):
            with blame("", ValueError):
                check_ranges(_loader, sections[name], name)
    for place, node in typed_nodes(sections):
        candidates = list(_find(node["type"]))
        if not candidates:
            every = {name for each in _registries() for name in each.module_dict}
            hint = _like(node["type"], every)
            raise UserError(f"{place}.type: got {node['type']!r}, which nothing is registered as{hint}")
        taken = [_parameters(candidate) for candidate in candidates]
        others = KEYS_OF_THE_TOOLKIT | KEYS_OF_THE_OWNER.get(place.rpartition(".")[2], frozenset())
        if not any(names is None or set(node) <= names | others for names in taken):
            names = taken[0] or set()
            unknown = sorted(set(node) - names - others)[0]
            raise UserError(f"{place}: {node['type']} takes no {unknown!r}{_like(unknown, names)}")
        for component in candidates:
            _check_numbers(component, node, place)


def _loader(batch_size: Size | None = None, num_workers: Count | None = None) -> None:
    """What a loader says in numbers."""


def _check_values(node: Any, place: str = "") -> None:
    """Refuse what is wrong wherever it is: NaN, and a type that is neither a name nor a class."""
    if isinstance(node, float) and math.isnan(node):
        raise UserError(f"{place}: got nan, wanted a number")
    if isinstance(node, Mapping) and "type" not in node:
        like = next((key for key in node if isinstance(key, str) and slips(key, "type") == 1), None)
        if like is not None:
            raise UserError(f"{place}.{like}: nobody reads a name like that; did you mean 'type'?")
    for key, child in children(node):
        inner = f"{place}.{key}" if place else str(key)
        if key == "type" and not isinstance(child, str) and not callable(child):
            raise UserError(f"{inner}: got {child!r}, wanted the name of a component")
        _check_values(child, inner)


def _check_numbers(component: Any, node: Mapping[str, Any], place: str) -> None:
    """Compare arguments with the ranges of our components, and with the types of the toolkit's numbers."""
    if isinstance(component, type) and component.__module__.startswith(OURS):
        with blame("", ValueError):
            check_ranges(component.__init__, node, place)  # type: ignore[misc]
    for name, parameter in _all_parameters(component).items():
        hint = bool if isinstance(parameter.default, bool) else parameter.annotation
        kinds = set(get_args(hint) if get_origin(hint) in (Union, UnionType) else (hint,)) - {NoneType}
        if name not in node or not kinds or not kinds <= {int, float, bool}:
            continue
        value, may_be_none = node[name], parameter.default is None
        is_right = isinstance(value, int | float) if kinds != {bool} else value in (True, False)
        if not is_right and not (value is None and may_be_none):
            wanted = "True or False" if kinds == {bool} else "a number"
            raise UserError(f"{place}.{name}: got {value!r}, wanted {wanted}")


def _all_parameters(component: Any) -> dict[str, inspect.Parameter]:
    """Parameters of a component, with those that it hands on to the classes it derives from."""
    found: dict[str, inspect.Parameter] = {}
    for each in component.__mro__ if isinstance(component, type) else (component,):
        parameters = inspect.signature(each).parameters
        found = {**parameters, **found}
        if not any(one.kind is inspect.Parameter.VAR_KEYWORD for one in parameters.values()):
            break
    return found


def takes(node: Mapping[str, Any], key: str) -> bool:
    """Whether the component that a dictionary describes takes a key."""
    taken = [_parameters(candidate) for candidate in _find(node.get("type"))]
    return any(names is None or key in names for names in taken)


def default_part(owner: Mapping[str, Any], name: str, place: str) -> dict[str, Any]:
    """The config that a component uses for one of its parts by default.

    Args:
        owner: Config of the component.
        name: The part, an argument of the component.
        place: The part's place in the config, for the error.

    Raises:
        UserError: If there is no default with a type.
    """
    for component in _find(owner.get("type")):
        parameter = inspect.signature(component).parameters.get(name)
        if parameter is not None and isinstance(parameter.default, Mapping):
            return dict(parameter.default)
    raise UserError(f"{place} is None here, and has no default; set {place}.type first")


def typed_nodes(node: Any, place: str = "") -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Every dictionary with a ``type`` that names a component, with its place in the config."""
    if isinstance(node, Mapping) and isinstance(node.get("type"), str):
        yield place, node
    for key, child in children(node):
        if key not in NOT_COMPONENTS:
            yield from typed_nodes(child, f"{place}.{key}" if place else str(key))


def _registries() -> list[Registry]:
    modules = (registry, mmengine_registry)
    return [item for module in modules for item in vars(module).values() if isinstance(item, Registry)]


def _find(name: Any) -> Iterator[Any]:
    """What is registered under a name, whichever registry it is in."""
    for each in _registries():
        found = each.get(name) if isinstance(name, str) else None
        if found is not None:
            yield found


def _parameters(component: Any) -> set[str] | None:
    """Names that a component takes; None if it takes any."""
    parameters = inspect.signature(component).parameters.values()
    if any(parameter.kind is inspect.Parameter.VAR_KEYWORD for parameter in parameters):
        return None
    return {parameter.name for parameter in parameters}


def _like(name: str, names: Collection[str]) -> str:
    close = difflib.get_close_matches(name, list(map(str, names)), n=1)
    return f"; did you mean {close[0]!r}?" if close else ""
