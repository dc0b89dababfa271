"""Tri-plane decoder: style codes to three feature planes (docs/method.md, section 4)."""

import math
from collections.abc import Iterable
from itertools import pairwise
from typing import cast

from jaxtyping import Float
from torch import Tensor, nn

from ...layers import NOISE_MODES, SynthesisBlock, channels_at, check_power_of_two


class TriPlaneDecoder(nn.Module):
    """StyleGAN2 generator with skip connections, from a learned 4x4 constant to feature planes.

    Args:
        resolution: Side P of the planes, a power of two.
        feature_dim: Features F of each plane.
        w_dim: Width of a style code.
        cbase: Channels times resolution.
        cmax: Most channels of a block.
    """

    def __init__(
        self,
        resolution: int = 512,
        feature_dim: int = 32,
        w_dim: int = 512,
        cbase: int = 65536,
        cmax: int = 1024,
    ) -> None:
        super().__init__()
        check_power_of_two("plane resolution", resolution)
        self.feature_dim = feature_dim
        sides = [2**i for i in range(2, int(math.log2(resolution)) + 1)]
        widths = [0] + [channels_at(side, cbase, cmax) for side in sides]
        self.blocks = nn.ModuleList(
            SynthesisBlock(i, o, 3 * feature_dim, w_dim, side)
            for (i, o), side in zip(pairwise(widths), sides, strict=True)
        )

    @property
    def _blocks(self) -> Iterable[SynthesisBlock]:
        return cast(Iterable[SynthesisBlock], self.blocks)

    @property
    def num_ws(self) -> int:
        """Style codes needed: one for each convolution, and one for the last output layer."""
        return sum(block.num_convs for block in self._blocks) + 1

    def forward(
        self, ws: Float[Tensor, "n l w"], noise_mode: str = "random"
    ) -> Float[Tensor, "n planes_x_f p p"]:
        """Decode planes; the 3 F channels are plane-major: xy, xz, yz.

        Args:
            ws: One style code for each layer.
            noise_mode: ``random`` (training), ``const`` (the stored maps) or ``none``.
        """
        if noise_mode not in NOISE_MODES:
            raise ValueError(f"noise_mode: got {noise_mode!r}, wanted one of {NOISE_MODES}")
        x: Tensor | None = None
        planes: Tensor | None = None
        used = 0
        for block in self._blocks:
            codes = ws[:, used : used + block.num_convs + 1]
            x, planes = block(x, planes, codes, noise_mode)
            used += block.num_convs
        assert planes is not None
        return planes
