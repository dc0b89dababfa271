"""Distillation of a classifier into the discriminator (docs/method.md, section 9)."""

import torch.nn.functional as F
from jaxtyping import Float
from mmagic.registry import MODELS
from torch import Tensor, nn

from ...ranges import NonNegativeSchedule
from ...schedules import Linear, build_schedule

_FORMS = ("l2", "kl")


@MODELS.register_module()
class KnowledgeDistillationLoss(nn.Module):
    """Distance between predicted and true classifier features of real images.

    Args:
        form: ``l2``: Euclidean distance (not squared); ``kl``: divergence of the softmax of the prediction
            from that of the teacher.
        weight: A number or a schedule.
        patch_weighting: Multiply by scale / mean scale of the whole batch, since small patches cannot know
            the whole image.
    """

    def __init__(
        self,
        form: str = "l2",
        weight: NonNegativeSchedule = Linear(1.0, 0.0, over_kimg=100_000),
        patch_weighting: bool = True,
    ) -> None:
        super().__init__()
        if form not in _FORMS:
            raise ValueError(f"form: got {form!r}, wanted one of {_FORMS}")
        self.form, self.weight, self.patch_weighting = form, build_schedule(weight), patch_weighting

    def distance(
        self,
        predicted: Float[Tensor, "n d"],
        target: Float[Tensor, "n d2"],
        scales: Float[Tensor, " n"] | None = None,
        mean_scale: Float[Tensor, ""] | None = None,
    ) -> Float[Tensor, " n"]:
        """Return the distance per sample, without the scheduled weight; arguments as of the call.

        Raises:
            ValueError: If the widths differ.
        """
        if predicted.shape != target.shape:
            raise ValueError(
                f"teacher features: got {tuple(target.shape)}, wanted {tuple(predicted.shape)}, which "
                "is the discriminator's feature_dim"
            )
        if self.form == "l2":
            distance = (predicted - target).norm(dim=1)
        else:
            log_probs, log_target = F.log_softmax(predicted, dim=1), F.log_softmax(target, dim=1)
            distance = F.kl_div(log_probs, log_target, reduction="none", log_target=True).sum(dim=1)
        if scales is not None and self.patch_weighting:
            distance = distance * scales / (scales.mean() if mean_scale is None else mean_scale)
        return distance

    def forward(
        self,
        predicted: Float[Tensor, "n d"],
        target: Float[Tensor, "n d2"],
        scales: Float[Tensor, " n"] | None = None,
        kimg: float = 0.0,
        mean_scale: Float[Tensor, ""] | None = None,
    ) -> Float[Tensor, ""]:
        """Return the weighted mean distance.

        Args:
            predicted: Features predicted by the discriminator.
            target: Features of the teacher.
            scales: Scales of the patches that were seen; None for whole images.
            kimg: Training time.
            mean_scale: Mean of the scales of the whole batch, of which these samples may be a part; None for
                the mean of ``scales``.
        """
        return self.weight(kimg) * self.distance(predicted, target, scales, mean_scale).mean()

    def schedules(self, kimg: float) -> dict[str, float]:
        """Return the values of the part's schedules by name."""
        return {"distillation_weight": self.weight(kimg)}
