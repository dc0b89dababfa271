"""R1 gradient penalty (Mescheder et al. 2018; method section 9)."""

import torch
from jaxtyping import Float
from mmagic.registry import MODELS
from torch import Tensor, nn


@MODELS.register_module()
class R1Regularizer(nn.Module):
    """gamma / 2 times the squared norm of the logit's gradient on real patches, applied lazily.

    Args:
        gamma: Weight; ``auto`` is 0.0002 image_size^2 / batch.
        interval: Steps between two applications; the penalty is multiplied by it.
    """

    def __init__(self, gamma: float | str = 0.05, interval: int = 16) -> None:
        super().__init__()
        if isinstance(gamma, str) and gamma != "auto":
            raise ValueError(f"gamma: got {gamma!r}, wanted a number or 'auto'")
        if interval < 1:
            raise ValueError(f"interval: got {interval}, wanted at least 1")
        self.gamma, self.interval = gamma, interval

    def is_due(self, images_seen: int, batch_size: int) -> bool:
        """Tell whether the step that begins at ``images_seen`` is one of those with the penalty."""
        return images_seen // batch_size % self.interval == 0

    def weight(self, image_size: int, batch_size: int) -> float:
        """Return gamma for a global batch."""
        return 0.0002 * image_size**2 / batch_size if self.gamma == "auto" else float(self.gamma)

    def forward(
        self, logits: Float[Tensor, " n"], images: Float[Tensor, "n c h w"], gamma: float
    ) -> Float[Tensor, " n"]:
        """Return gamma / 2 ||d logit / d image||^2 per sample.

        Args:
            logits: Scores of ``images``, whose graph is kept.
            images: Real patches that require gradients.
            gamma: See ``weight``.
        """
        (gradient,) = torch.autograd.grad(logits.sum(), images, create_graph=True)
        return gamma / 2 * gradient.square().sum(dim=(1, 2, 3))
