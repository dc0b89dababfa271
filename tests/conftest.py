"""What all tests share: the plugin with its tensor shapes checked, and fixed seeds."""

import sys
from pathlib import Path

import jaxtyping
import numpy as np
import pytest
import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

# The hook acts on modules that are imported after it; ints are fine where floats are asked for.
jaxtyping.install_import_hook(
    "projects.threedgp",
    "beartype.beartype(conf=beartype.BeartypeConf(is_pep484_tower=True))",
)

# Before anything of mmagic.
import projects.threedgp.compat  # noqa: E402, F401

# Tiny models gain nothing from threads, and lose much where several test processes share the cores.
torch.set_num_threads(1)


@pytest.fixture(autouse=True)
def seed():
    torch.manual_seed(0)
    np.random.seed(0)
