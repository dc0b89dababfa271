"""Pose conditioning of the generator, with swapped poses (Chan et al. 2022, section 4.4)."""

import torch
from jaxtyping import Float
from mmagic.registry import MODELS
from torch import Tensor

from ..ranges import ShareSchedule
from ..schedules import Linear, build_schedule


@MODELS.register_module()
class PoseSwap:
    """Tells the mapping of some samples the pose of the sample before them.

    The mapping may know how poses and looks go together in the data, but must not make the scene depend on
    where it is seen from.

    Args:
        prob: Share of samples that are swapped, a number or a schedule.
    """

    def __init__(self, prob: ShareSchedule = Linear(1.0, 0.5, over_kimg=1000)) -> None:
        self.prob = build_schedule(prob)

    def __call__(
        self, pose: Float[Tensor, "n pose"], draws: Float[Tensor, "m 1"], kimg: float
    ) -> Float[Tensor, "n pose"]:
        """Return the poses that the mapping is told.

        Args:
            pose: Where the samples are seen from.
            draws: Uniform numbers in [0, 1), one for each sample, or one for all.
            kimg: Training time.
        """
        return torch.where(draws < self.prob(kimg), pose.roll(1, dims=0), pose)

    def schedules(self, kimg: float) -> dict[str, float]:
        """Return the values of the part's schedules by name."""
        return {"pose_swap_prob": self.prob(kimg)}
