"""What all tests share: the plugin with its tensor shapes checked, and fixed seeds."""

import os
import runpy
import sys
from pathlib import Path

# Triton decides when it is imported, as torch does: its kernels run on a CPU, unless told otherwise (0).
os.environ.setdefault("TRITON_INTERPRET", "1")

import jaxtyping
import numpy as np
import pytest
import torch

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

# The toolkit is imported before the hook below, which would compile all of it anew in each process,
# and after the plugin's stand-ins, which therefore come from their file and not from the package.
runpy.run_path(str(ROOT / "projects" / "threedgp" / "compat.py"))

import mmagic.apis  # noqa: E402
import mmagic.evaluation  # noqa: E402, F401
import timm  # noqa: E402, F401

# The hook acts on modules that are imported after it; ints are fine where floats are asked for. What
# the studies compile with TorchScript cannot be wrapped.
ROOMS = (ROOT / "projects" / "threedgp").glob("[!.]*")
jaxtyping.install_import_hook(
    [
        f"projects.threedgp.{room.stem}"
        for room in ROOMS
        if room.stem not in ("__init__", "compat", "studies")
    ],
    "beartype.beartype(conf=beartype.BeartypeConf(is_pep484_tower=True))",
)

# Tiny models gain nothing from threads, and lose much where several test processes share the cores.
torch.set_num_threads(1)


@pytest.fixture(autouse=True)
def seed():
    torch.manual_seed(0)
    np.random.seed(0)


def pytest_terminal_summary(terminalreporter):
    """Print what tests note by ``record_property``, as those of tests/reliability do."""
    reports = [each for kind in ("passed", "failed") for each in terminalreporter.stats.get(kind, [])]
    for report in reports:
        for name, value in report.user_properties:
            terminalreporter.write_line(f"{report.nodeid.rpartition('::')[2]}: {name}: {value}")
