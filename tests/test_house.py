"""The house: a floor imports only from those under it, and every room fits on a few screens."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PLUGIN = ROOT / "projects" / "threedgp"

# Who stands on whom, from the ground up; rooms of one floor may use each other.
FLOORS = [
    {"schedules", "whole_files", "errors", "random_states", "ranges", "packaged", "command_line", "wording"},
    {"rendering", "layers"},
    {"models"},
    {"training", "data"},
    {"engine", "evaluation"},
    {"apis"},
    {"__main__"},
]
LIGHT = FLOORS[0] | FLOORS[1] | FLOORS[2]
HEAVY = (
    "mmagic.",
    "mmcv.",
    "mmengine.runner",
    "mmengine.hooks",
    "mmengine.evaluator",
    "mmengine.visualization",
)
MAX_FILE_LINES, MAX_FUNCTION_LINES = 400, 55


def modules():
    return sorted(PLUGIN.rglob("*.py"))


def room(path):
    return path.relative_to(PLUGIN).parts[0].removesuffix(".py")


def imports(path):
    """Full names of what a module imports, wherever in it."""
    package = ["projects", "threedgp", *path.relative_to(PLUGIN).parent.parts]
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            stem = ".".join([*base, *([node.module] if node.module else [])])
            yield from (f"{stem}.{alias.name}" for alias in node.names)


@pytest.mark.parametrize("level", range(len(FLOORS)))
def test_no_floor_imports_from_above(level):
    above = set().union(*FLOORS[level + 1 :], {"official", "studies", "benchmarks"})
    ups = [
        f"{path.relative_to(ROOT)}: {name}"
        for path in modules()
        if room(path) in FLOORS[level]
        for name in imports(path)
        if name.startswith("projects.threedgp.") and name.split(".")[2] in above
    ]
    assert not ups


def test_every_room_has_its_floor():
    beside = {
        "compat",
        "registration",
        "__init__",
        "official",
        "scenes",
        "studies",
        "benchmarks",
        "docs",
        "zoo",
    }
    known = beside.union(*FLOORS)
    assert {room(path) for path in modules()} <= known


def test_the_lower_floors_need_only_registries_of_the_toolkit():
    heavy = [
        f"{path.relative_to(ROOT)}: {name}"
        for path in modules()
        if room(path) in LIGHT
        for name in imports(path)
        if name.startswith(HEAVY) and not name.startswith("mmagic.registry.")
    ]
    assert not heavy


def test_the_plugin_does_not_import_its_tools():
    assert not [path for path in modules() if any(name.split(".")[0] == "tools" for name in imports(path))]


def test_files_and_functions_fit_on_a_screen():
    long = []
    for path in [
        *modules(),
        *sorted((ROOT / "tools").rglob("*.py")),
        *sorted((ROOT / "configs").rglob("*.py")),
    ]:
        text = path.read_text()
        if (lines := text.count("\n")) > MAX_FILE_LINES:
            long.append(f"{path.relative_to(ROOT)}: {lines} lines")
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                size = node.end_lineno - node.lineno + 1
                if size > MAX_FUNCTION_LINES:
                    long.append(f"{path.relative_to(ROOT)}: {node.name} has {size} lines")
    assert not long
