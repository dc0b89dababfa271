"""Adversarial losses (docs/method.md, section 9)."""

import torch.nn.functional as F
from jaxtyping import Float
from mmagic.registry import MODELS
from torch import Tensor, nn

from ...ranges import Positive

_FORMS = ("logistic", "hinge")


@MODELS.register_module()
class ThreeDGPAdversarialLoss(nn.Module):
    """Non-saturating logistic loss, or hinge loss, on logits: one of each sample, or several.

    Args:
        form: ``logistic`` or ``hinge``.
        max_confidence: Logits that are surer than this are clamped.
    """

    def __init__(self, form: str = "logistic", max_confidence: Positive = 1e7) -> None:
        super().__init__()
        if form not in _FORMS:
            raise ValueError(f"form: got {form!r}, wanted one of {_FORMS}")
        self.form, self.max_confidence = form, max_confidence

    def generator(self, fake: Float[Tensor, "*n"]) -> Float[Tensor, "*n"]:
        """Return the generator's loss per sample."""
        fake = fake.clamp(max=self.max_confidence)
        return F.softplus(-fake) if self.form == "logistic" else -fake

    def discriminator(self, fake: Float[Tensor, "*n"], real: Float[Tensor, "*n"]) -> Float[Tensor, "*n"]:
        """Return the discriminator's loss per pair of samples."""
        fake, real = fake.clamp(min=-self.max_confidence), real.clamp(max=self.max_confidence)
        if self.form == "logistic":
            return F.softplus(fake) + F.softplus(-real)
        return F.relu(1 + fake) + F.relu(1 - real)
