"""Reading the config that a checkpoint holds without running it: a config file is a program, this one is not.

What the toolkit stores is a config written out: names and plain values, with ``dict(...)`` the only call. Two
things in such values could still run code where the config is built: modules to be imported, and types that
are named by an import path instead of a registered name, which the toolkit's registries look up anywhere.
"""

import ast
import math
from collections.abc import Iterable, Iterator, Mapping
from importlib import import_module
from typing import Any

IMPORTS = "custom_imports"
OURS = "projects.threedgp"
SCOPES = frozenset({"mmagic", "mmengine"})
_NUMBERS = {"inf": math.inf, "nan": math.nan}
_ADVICE = "nothing in it was run; give CONFIG, a file that you trust, too"


def parse_plain_config(text: str) -> dict[str, Any]:
    """The values in the text of a config.

    Args:
        text: Assignments of plain values to names.

    Raises:
        ValueError: If it holds anything else, or could have something run where it is built. Modules of ours
            that it asks for are imported.
    """
    try:
        values: dict[str, Any] = {}
        for statement in ast.parse(text).body:
            if ast.get_docstring(ast.Module([statement], []), clean=False) is not None:
                continue  # a docstring
            if not isinstance(statement, ast.Assign) or not isinstance(statement.targets[0], ast.Name):
                raise _NotPlainError(statement)
            values[statement.targets[0].id] = _value(statement.value)
        if not values:
            raise ValueError("it is empty")
    except _NotPlainError as error:
        line = ast.unparse(error.args[0]).splitlines()[0][:60]
        raise ValueError(f"got {line!r}, wanted names and plain values alone; {_ADVICE}") from None
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise ValueError(f"got no config ({error}); {_ADVICE}") from error
    _check_names(values)
    for module in _imports(values):
        import_module(module)
    return values


class _NotPlainError(Exception):
    """A piece of a program that is no plain value."""


def _value(node: ast.expr) -> Any:
    match node:
        case ast.Constant(value=value):
            return value
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            number = _value(operand)
            if isinstance(number, int | float):
                return -number
        case ast.Name(id=name) if name in _NUMBERS:
            return _NUMBERS[name]
        case ast.List(elts=items):
            return [_value(item) for item in items]
        case ast.Tuple(elts=items):
            return tuple(_value(item) for item in items)
        case ast.Set(elts=items):
            return {_value(item) for item in items}
        case ast.Dict(keys=keys, values=values) if None not in keys:
            pairs = zip(keys, values, strict=True)
            return {_value(key): _value(value) for key, value in pairs if key is not None}
        case ast.Call(func=ast.Name(id="dict"), args=[], keywords=keywords):
            if all(keyword.arg is not None for keyword in keywords):
                return {str(keyword.arg): _value(keyword.value) for keyword in keywords}
    raise _NotPlainError(node)


def _check_names(values: Mapping[str, Any]) -> None:
    if "_base_" in values:
        raise ValueError(
            f"_base_: got {values['_base_']!r}, wanted a config without others under it; {_ADVICE}"
        )
    if foreign := [name for name in _imports(values) if not f"{name}.".startswith(f"{OURS}.")]:
        raise ValueError(f"{IMPORTS}: got {foreign[0]!r}, wanted {OURS!r} alone; {_ADVICE}")
    for place, key, value in _named(values):
        if key == "type" and isinstance(value, str) and not value.isidentifier():
            raise ValueError(f"{place}: got {value!r}, wanted a registered name; {_ADVICE}")
        if key in ("_scope_", "default_scope") and value is not None and value not in SCOPES:
            raise ValueError(f"{place}: got {value!r}, wanted one of {', '.join(sorted(SCOPES))}; {_ADVICE}")


def _imports(values: Mapping[str, Any]) -> list[Any]:
    imports = values.get(IMPORTS)
    modules = imports.get("imports") if isinstance(imports, Mapping) else imports
    if modules is None:
        return []
    return list(modules) if isinstance(modules, list | tuple) else [modules]


def _named(node: Any, place: str = "") -> Iterator[tuple[str, str, Any]]:
    """Every key in nested dictionaries, with its place and value."""
    for key, value in children(node):
        inner = f"{place}.{key}" if place else str(key)
        yield inner, str(key), value
        yield from _named(value, inner)


def children(node: Any) -> Iterable[tuple[Any, Any]]:
    """What a dictionary or a list of a config holds, with keys or numbers; nothing for anything else."""
    if isinstance(node, Mapping):
        return node.items()
    return enumerate(node) if isinstance(node, list | tuple) else ()
