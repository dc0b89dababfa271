"""projects/threedgp/layers/precision.py"""

import pytest
import torch

from projects.threedgp.layers import LowPrecision


@pytest.mark.parametrize(
    "index, on_cpu, wanted", [(0, False, "float64"), (1, True, "bfloat16"), (2, True, "float64")]
)
def test_the_first_blocks_where_it_is_asked_for(index, on_cpu, wanted):
    """On a CPU only if it is told to; the others have the type that everything has."""
    precision = LowPrecision(2, on_cpu=on_cpu)
    assert precision.of(index, torch.zeros(1, dtype=torch.float64)) == getattr(torch, wanted)
