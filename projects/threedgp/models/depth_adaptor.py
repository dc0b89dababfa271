"""Depth adaptor: right depth although the estimates are not (docs/method.md, section 7)."""

from itertools import pairwise

import torch
from jaxtyping import Float, Int
from mmagic.registry import MODELS
from torch import Tensor, nn

from ..layers import EqualizedConv2d
from ..ranges import Count, NonNegative, Number, Positive, ShareSchedule, Size
from ..schedules import Linear, build_schedule

_STRATEGIES = ("random", "last", "mean")


@MODELS.register_module()
class DepthAdaptor(nn.Module):
    """Small convolutional network from rendered depth to what an estimator might have said.

    The depth is normalised to [-1, 1] with a learned near plane; with the outputs after each layer that
    makes ``num_layers + 1`` candidates, of which training draws one per sample.

    Args:
        near: Nearest depth, world units.
        far: Farthest depth, world units.
        hidden_dim: Channels of the convolutions.
        num_layers: Convolutions; with 0 the normalised depth stays as it is.
        kernel_size: Side of their kernels, odd.
        near_offset_fraction: Most that the near plane may move, as a fraction of far - near.
        near_offset_init: Initial value of its logit.
        identity_prob: Probability of the unadapted depth: a number or a schedule. None is the release's:
            from 1 / candidates to 0.1 over 10 000 kimg. The other probabilities lie on a line through it,
            so that it is at most 2 / candidates.
        strategy: What training takes: ``random``, ``last`` or ``mean``. Evaluation takes the last (or the
            mean).
    """

    def __init__(
        self,
        near: Positive = 0.75,
        far: Positive = 1.25,
        hidden_dim: Size = 64,
        num_layers: Count = 3,
        kernel_size: Size = 5,
        near_offset_fraction: NonNegative = 0.25,
        near_offset_init: Number = -3.0,
        identity_prob: ShareSchedule | None = None,
        strategy: str = "random",
    ) -> None:
        super().__init__()
        if strategy not in _STRATEGIES:
            raise ValueError(f"strategy: got {strategy!r}, wanted one of {_STRATEGIES}")
        if identity_prob is None:
            identity_prob = Linear(1 / (num_layers + 1), 0.1, over_kimg=10_000)
        _check_identity_prob(build_schedule(identity_prob), num_layers + 1)
        self.near, self.far = near, far
        self.near_offset_fraction = near_offset_fraction
        self.identity_prob = build_schedule(identity_prob)
        self.strategy = strategy
        self.near_offset_logit = nn.Parameter(torch.full((1,), float(near_offset_init)))
        widths = [1] + [hidden_dim] * num_layers
        self.layers = nn.ModuleList(
            EqualizedConv2d(i, o, kernel_size, "leaky_relu") for i, o in pairwise(widths)
        )
        self.head = EqualizedConv2d(hidden_dim, 1, 1) if num_layers else None

    def normalize(self, depth: Float[Tensor, "n 1 h w"]) -> Float[Tensor, "n 1 h w"]:
        """Map the learned near plane to -1 and far to 1."""
        offset = self.near_offset_logit.sigmoid() * self.near_offset_fraction * (self.far - self.near)
        near = self.near + offset
        return 2 * (depth - (self.far + near) / 2) / (self.far - near + 1e-12)

    def candidates(self, depth: Float[Tensor, "n 1 h w"]) -> Float[Tensor, "n k 1 h w"]:
        """Return the normalised depth and the head's output after each layer."""
        maps = [self.normalize(depth)]
        if self.head is None:
            return maps[0][:, None]
        x = maps[0]
        for layer in self.layers:
            x = layer(x)
            maps.append(self.head(x))
        return torch.stack(maps, dim=1)

    def selection_probs(self, kimg: float) -> Float[Tensor, " k"]:
        """Probability of each candidate after ``kimg``: linear in the index, summing to 1."""
        k = len(self.layers) + 1
        if k == 1:
            return torch.ones(1)
        start = self.identity_prob(kimg)
        slope = 2 * (1 - k * start) / (k * (k - 1))
        return start + slope * torch.arange(k)

    def schedules(self, kimg: float) -> dict[str, float]:
        """Return the values of the part's schedules by name."""
        return dict(depth_identity_prob=self.identity_prob(kimg))

    def forward(
        self,
        depth: Float[Tensor, "n 1 h w"],
        kimg: float | None = None,
        choice: Int[Tensor, " n"] | None = None,
    ) -> Float[Tensor, "n 1 h w"]:
        """Adapt depth maps.

        Args:
            depth: Rendered depth in world units.
            kimg: Training time in thousands of images; None outside training.
            choice: Candidate to take for each sample; None draws in training, if that is the strategy, and
                takes the last one otherwise.

        Returns:
            Depth in the range of real maps, about [-1, 1].
        """
        maps = self.candidates(depth)
        if self.strategy == "mean":
            return maps.mean(dim=1)
        if choice is None and kimg is not None and self.strategy == "random":
            probs = self.selection_probs(kimg).to(depth.device)
            choice = torch.multinomial(probs, depth.shape[0], replacement=True)
        if choice is None:
            return maps[:, -1]
        return maps[torch.arange(len(choice), device=depth.device), choice.long()]


def _check_identity_prob(schedule: Linear, candidates: int) -> None:
    """Refuse what would give candidates of negative probability."""
    most = 2 / candidates
    bad = [p for p in (schedule.start, schedule.end) if not 0 <= p <= most]
    if bad and candidates > 1:
        raise ValueError(
            f"identity_prob: got {bad[0]} with {candidates} candidates, wanted values in [0, {most:g}]"
        )
