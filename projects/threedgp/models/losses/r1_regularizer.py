"""R1 gradient penalty (Mescheder et al. 2018; docs/method.md, section 9)."""

from collections.abc import Sequence
from functools import reduce
from operator import add

import torch
from jaxtyping import Float
from mmagic.registry import MODELS
from torch import Tensor, nn

from ...ranges import NonNegative, Size


@MODELS.register_module()
class R1Regularizer(nn.Module):
    """gamma / 2 times the squared norm of the logit's gradient on real patches, applied lazily.

    Args:
        gamma: Weight; ``auto`` is 0.0002 image_size^2 / batch.
        interval: Steps between two applications; the penalty is multiplied by it.
        behind_blur: Take the gradient on what the discriminator receives (EG3D), instead of on the images
            before they are blurred.
    """

    def __init__(
        self, gamma: NonNegative | str = 0.05, interval: Size = 16, behind_blur: bool = False
    ) -> None:
        super().__init__()
        if isinstance(gamma, str) and gamma != "auto":
            raise ValueError(f"gamma: got {gamma!r}, wanted a number or 'auto'")
        if interval < 1:
            raise ValueError(f"interval: got {interval}, wanted at least 1")
        self.gamma, self.interval, self.behind_blur = gamma, interval, behind_blur
        self.factor = 1.0

    def raise_gamma(self, factor: float) -> None:
        """Multiply gamma with a factor from now on, whichever way it is given."""
        self.factor *= factor

    def is_due(self, images_seen: int, batch_size: int) -> bool:
        """Tell whether the step that begins at ``images_seen`` is one of those with the penalty."""
        return images_seen // batch_size % self.interval == 0

    def weight(self, image_size: int, batch_size: int) -> float:
        """Return gamma for a global batch."""
        gamma = 0.0002 * image_size**2 / batch_size if self.gamma == "auto" else float(self.gamma)
        return self.factor * gamma

    def forward(
        self, logits: Float[Tensor, "*n"], images: Sequence[Float[Tensor, "n ..."]], gamma: float
    ) -> Float[Tensor, " n"]:
        """Return gamma / 2 ||d logit / d images||^2 per sample.

        Args:
            logits: Scores of ``images``, whose graph is kept.
            images: Real patches that require gradients, and their raw images where there are such.
            gamma: See ``weight``.
        """
        gradients = torch.autograd.grad(logits.sum(), list(images), create_graph=True)
        norms = [gradient.square().sum(dim=(1, 2, 3)) for gradient in gradients]
        return gamma / 2 * reduce(add, norms)
