"""What makes mmagic importable, each remedy in a fresh interpreter."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


def python(code, cwd=ROOT):
    run = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code], cwd=cwd, capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stderr
    return run.stdout.strip()


def test_import_registers_without_importing_the_toolkit_or_torch():
    """The seconds are for those who build something, not for those who ask for help."""
    heavy = [
        "torch",
        "mmagic",
        "mmengine",
        "timm",
        "matplotlib",
        "projects.threedgp.models",
    ]
    code = f"import sys, projects.threedgp; print([name for name in {heavy} if name in sys.modules])"
    assert python(code) == "[]"


@pytest.mark.parametrize(
    ("before", "registry", "name"),
    [
        ("pass", "MODELS", "ThreeDGP"),
        ("pass", "HOOKS", "ThroughputHook"),
        ("pass", "METRICS", "LocalFID"),
        ("pass", "MODELS", "StyleGAN2"),
        # asked before the plugin came
        ("import runpy; runpy.run_path('projects/threedgp/compat.py')", "MODELS", "ThreeDGP"),
    ],
)
def test_every_registry_finds_its_components(before, registry, name):
    ask = f"{registry}.get('StyleGAN2');" if before != "pass" else ""
    code = f"{before}; from mmagic.registry import {registry}; {ask} import projects.threedgp"
    assert python(f"{code}; print({registry}.get({name!r}).__name__)") == name


def test_parts_that_cannot_be_imported_say_so_when_used():
    code = """
import projects.threedgp, sys
sys.modules["einops"] = None  # as if it were not installed
from mmagic.models.editors import Restormer
try:
    Restormer()
except ImportError as error:
    print(error)
"""
    message = python(code)
    assert message.startswith("Restormer is not available: mmagic.models.editors.restormer needs einops: ")


def test_parts_that_can_be_imported_are_the_real_ones(tmp_path):
    """With an `einops` in the way, mmagic's Restormer is itself."""
    (tmp_path / "einops.py").write_text("rearrange = repeat = None\n")
    code = f"""
import sys; sys.path[:0] = [{str(tmp_path)!r}, {str(ROOT)!r}]
import projects.threedgp
from mmagic.models.editors import Restormer
print(Restormer.__mro__[1].__name__)
"""
    assert python(code) == "BaseModule"


def test_a_missing_op_is_named_only_when_it_is_called():
    code = """
import projects.threedgp, sys
from mmcv import _ext as ops
if type(ops).__name__ == "MissingOps":
    hasattr(ops, "__path__") and sys.exit("it says that it has a path")
    try:
        ops.bias_act()
    except RuntimeError as error:
        print(error)
else:
    print('mmcv op "bias_act" was called')
"""
    assert python(code).startswith('mmcv op "bias_act" was called')
