"""Modulated 1x1 layers on points: what makes MLPs of style codes (StyleGAN2's layers with a kernel of 1)."""

import math

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from .equalized import ACTIVATIONS, EqualizedLinear


class ModulatedLinear(nn.Module):
    """Fully connected layer whose input channels a style scales (StyleGAN2, eqs. 1 and 3).

    Args:
        in_features: Width of the input.
        out_features: Width of the output.
        w_dim: Width of a style code.
        activation: Key of ``ACTIVATIONS``.
        demodulate: Divide each output by the norm of its scaled weights; otherwise styles are divided by
            the root of ``in_features``.
    """

    def __init__(
        self,
        in_features: int,
        out_features: int,
        w_dim: int,
        activation: str = "leaky_relu",
        demodulate: bool = True,
    ) -> None:
        super().__init__()
        self.affine = EqualizedLinear(w_dim, in_features, bias_init=1)
        self.weight = nn.Parameter(torch.randn(out_features, in_features))
        self.bias = nn.Parameter(torch.zeros(out_features))
        self.activation, self.demodulate = ACTIVATIONS[activation], demodulate

    def forward(self, x: Float[Tensor, "n m i"], w: Float[Tensor, "n d"]) -> Float[Tensor, "n m o"]:
        """Apply the layer to m points of each sample."""
        styles, gain = self.affine(w), self.activation.gain
        if not self.demodulate:
            styles = styles / math.sqrt(styles.shape[1])
        x = F.linear(x * styles[:, None], self.weight)
        scale = torch.full((), gain).to(x)
        if self.demodulate:
            norm = styles.square() @ self.weight.square().T
            scale = gain * (norm + 1e-8).rsqrt()[:, None]
        return self.activation(torch.addcmul(gain * self.bias, x, scale))
