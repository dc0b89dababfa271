"""Which blocks of a network run in low precision."""

from dataclasses import dataclass

import torch
from torch import Tensor

DTYPES = {"bfloat16": torch.bfloat16, "float16": torch.float16}


@dataclass(frozen=True)
class LowPrecision:
    """The precision of blocks, those of the highest resolutions first.

    Args:
        blocks: So many run in low precision on a GPU.
        name: ``bfloat16`` or ``float16``.
        on_cpu: On a CPU as well, which pays where that multiplies matrices in ``bfloat16``.
    """

    blocks: int
    name: str = "bfloat16"
    on_cpu: bool = False

    def of(self, index: int, like: Tensor) -> torch.dtype:
        """Return the type of features of a block, on the device (or else with the type) of ``like``."""
        low = index < self.blocks and (like.is_cuda or self.on_cpu)
        return DTYPES[self.name] if low else like.dtype
