"""Tri-plane decoder: style codes to three feature planes (docs/method.md, section 4)."""

import math
from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import cast

import torch
from jaxtyping import Float
from torch import Tensor, nn

from ...layers import NOISE_MODES, LowPrecision, SynthesisBlock, channels_at, check_power_of_two

_NUM_SHARED = 4
"""Blocks up to 32 x 32. Behind them features are more than weights, which are styled instead of them then: to
that end a CPU goes through these blocks sample by sample."""
_Noise = str | Sequence[Tensor]


class TriPlaneDecoder(nn.Module):
    """StyleGAN2 generator with skip connections, from a learned 4x4 constant to feature planes.

    Args:
        resolution: Side P of the planes, a power of two.
        feature_dim: Features F of each plane.
        w_dim: Width of a style code.
        cbase: Channels times resolution.
        cmax: Most channels of a block.
        precision: Precision of the features of each block; None for that of the style codes. Weights, styles,
            demodulation, and the planes that blocks add to, always have the latter.
    """

    def __init__(
        self,
        resolution: int = 512,
        feature_dim: int = 32,
        w_dim: int = 512,
        cbase: int = 65536,
        cmax: int = 1024,
        precision: LowPrecision | None = None,
    ) -> None:
        super().__init__()
        check_power_of_two("plane resolution", resolution)
        self.feature_dim, self.precision = feature_dim, precision or LowPrecision(0)
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
        n, num_shared = len(ws), len(self.blocks)
        if n > 1 and ws.device.type == "cpu":
            num_shared = _NUM_SHARED
        # Drawn for all samples alike, however they are decoded.
        noise = [block.draw_noise(n) if noise_mode == "random" else noise_mode for block in self._blocks]
        x, planes, codes = self._run(slice(num_shared), None, None, ws, noise)
        if num_shared >= len(self.blocks):
            return planes
        parts = []
        for i in range(n):
            one = slice(i, i + 1)
            own = [each if isinstance(each, str) else [m[one] for m in each] for each in noise]
            parts.append(self._run(slice(num_shared, None), x[one], planes[one], codes[one], own)[1])
        return torch.cat(parts)

    def _run(
        self, which: slice, x: Tensor | None, planes: Tensor | None, ws: Tensor, noise: Sequence[_Noise]
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Run some of the blocks; the style codes that they left are returned as well."""
        for index in range(len(self.blocks))[which]:
            block = cast(SynthesisBlock, self.blocks[index])
            if x is not None:
                x = x.to(self.precision.of(len(self.blocks) - 1 - index, ws))
            x, planes = block(x, planes, ws[:, : block.num_convs + 1], noise[index])
            ws = ws[:, block.num_convs :]
        assert x is not None and planes is not None
        return x, planes, ws
