"""Encodings of numbers: of points, and of the patch parameters that the discriminator is told."""

import math

import torch
from jaxtyping import Float
from torch import Tensor, nn


def octaves(x: Float[Tensor, "*n d"], count: int, base: float = 1.0) -> Float[Tensor, "*n o"]:
    """Return sin and cos of x times ``base`` 2^i for i < ``count`` (NeRF, Mildenhall et al. 2020, eq. 4).

    Octave by octave, the sines of all coordinates and then their cosines: o = 2 count d.
    """
    frequencies = base * 2.0 ** torch.arange(count, dtype=x.dtype, device=x.device)
    phase = x[..., None, :] * frequencies[:, None]
    return torch.stack([phase.sin(), phase.cos()], dim=-2).flatten(-3)


class ScalarEncoder(nn.Module):
    """Encode scalars in [0, 1]: Fourier features and a learned row for the rounded value (docs/method.md, 8).

    A scalar v becomes sin and cos of ``(scale v) pi 2^i / 2^num_frequencies`` and row ``round(scale v)``
    of a table.

    Args:
        embed_dim: Width of a learned row.
        num_frequencies: Log-spaced frequencies.
        scale: Range that [0, 1] is stretched to.
    """

    frequencies: Tensor

    def __init__(self, embed_dim: int = 256, num_frequencies: int = 10, scale: int = 1000) -> None:
        super().__init__()
        self.scale = scale
        self.table = nn.Embedding(scale + 1, embed_dim)
        frequencies = 2.0 ** torch.arange(num_frequencies) / 2**num_frequencies * math.pi
        self.register_buffer("frequencies", frequencies)

    def out_dim(self, num_scalars: int) -> int:
        """Width of the code of ``num_scalars`` scalars."""
        return num_scalars * (2 * len(self.frequencies) + self.table.embedding_dim)

    def forward(self, scalars: Float[Tensor, "n s"]) -> Float[Tensor, "n o"]:
        """Encode each scalar and concatenate the codes."""
        stretched = self.scale * scalars
        phase = stretched[..., None] * self.frequencies
        row = self.table(stretched.round().long().clamp(0, self.scale))
        return torch.cat([phase.sin(), phase.cos(), row], dim=-1).flatten(1)
