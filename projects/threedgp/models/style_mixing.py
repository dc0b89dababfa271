"""Style mixing: which layers are given the style of a second latent (Karras et al. 2019, section 3.1)."""

import torch
from mmagic.registry import MODELS

from ..ranges import Count, Share
from .generator import Mixing, ThreeDGPGenerator


@MODELS.register_module()
class StyleMixing:
    """Draws second latents and the layer from which on they count, one layer for a whole batch.

    Args:
        prob: Share of the batches that are mixed.
        first: First layer that may be the one; ``field`` means the first one behind the field's.
    """

    def __init__(self, prob: Share = 0.9, first: Count | str = 1) -> None:
        if not 0 <= prob <= 1:
            raise ValueError(f"prob: got {prob}, wanted a number in [0, 1]")
        if isinstance(first, str) and first != "field":
            raise ValueError(f"first: got {first!r}, wanted a number or 'field'")
        self.prob, self.first = prob, first

    def __call__(self, n: int, generator: ThreeDGPGenerator) -> Mixing:
        """Draw for a batch of n samples."""
        device = generator.mapping.w_avg.device
        lowest = generator.field.num_ws if isinstance(self.first, str) else self.first
        first = torch.randint(lowest, generator.num_ws, (1,))
        if torch.rand(()) >= self.prob:
            first = torch.full_like(first, generator.num_ws)
        z = torch.randn(n, generator.noise_size).to(device)
        return Mixing(z, first.expand(n).to(device))
