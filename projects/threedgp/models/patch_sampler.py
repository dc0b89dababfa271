"""Where patches are taken, in training (docs/method.md, section 6)."""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from mmagic.registry import MODELS
from torch import Tensor

from ..ranges import Positive, PositiveSchedule, Share, ShareSchedule, Size
from ..rendering import Patch
from ..schedules import Linear, build_schedule

_DISTRIBUTIONS = ("beta", "uniform", "discrete_uniform")
_SHARING = ("consecutive", "strided")


@MODELS.register_module()
class PatchSampler:
    """Draw square patches, one for each minibatch-std group.

    Args:
        distribution: ``beta``: min + (max - min) Beta(alpha, beta); ``uniform``: U[min, max];
            ``discrete_uniform``: one of ``scales``.
        min_scale: Smallest scale (patch side over image side), a number or a schedule.
        max_scale: Largest scale.
        alpha: First parameter of the Beta distribution.
        beta: Second, a number or a schedule.
        scales: Scales of ``discrete_uniform``.
        group_size: Samples that share a patch.
        sharing: ``consecutive`` samples share a patch, as in the release, or ``strided`` ones do, as the
            minibatch-std groups are.
    """

    def __init__(
        self,
        distribution: str = "beta",
        min_scale: ShareSchedule = 0.25,
        max_scale: Share = 1.0,
        alpha: Positive = 1.0,
        beta: PositiveSchedule = Linear(1e-3, 0.8, over_kimg=10_000),
        scales: Sequence[Share] | None = None,
        group_size: Size = 4,
        sharing: str = "consecutive",
    ) -> None:
        for name, value, known in (
            ("distribution", distribution, _DISTRIBUTIONS),
            ("sharing", sharing, _SHARING),
        ):
            if value not in known:
                raise ValueError(f"{name}: got {value!r}, wanted one of {known}")
        self.min_scale, self.beta = build_schedule(min_scale), build_schedule(beta)
        lowest = min(self.min_scale.start, self.min_scale.end)
        if not 0 < lowest <= max_scale <= 1:
            raise ValueError(
                f"min_scale, max_scale: got {lowest}, {max_scale}, wanted 0 < min_scale <= max_scale <= 1"
            )
        if distribution == "discrete_uniform" and not scales:
            raise ValueError(f"scales: got {scales}, wanted a list of scales for discrete_uniform")
        self.distribution, self.sharing, self.group_size = distribution, sharing, group_size
        self.max_scale, self.alpha, self.scales = max_scale, alpha, tuple(scales or ())

    def scale_draws(self, n: int, kimg: float) -> Float[Tensor, " n"]:
        """Draw n numbers in [0, 1] that say how large the patches are."""
        if self.distribution == "beta":
            alpha, beta = torch.tensor([self.alpha, self.beta(kimg)], dtype=torch.float64)
            return torch.distributions.Beta(alpha, beta).sample((n,)).float()
        return torch.rand(n)

    def from_draws(
        self, scale_draws: Float[Tensor, " n"], offset_draws: Float[Tensor, "n 2"], kimg: float
    ) -> Patch:
        """Turn draws in [0, 1] into patches: the scale first, then an offset that fits."""
        if self.distribution == "discrete_uniform":
            index = (scale_draws * len(self.scales)).long().clamp(max=len(self.scales) - 1)
            scale = torch.tensor(self.scales)[index]
        else:
            low = self.min_scale(kimg)
            scale = low + (self.max_scale - low) * scale_draws
        scales = scale[:, None].expand(-1, 2)
        return Patch(scales.clone(), offset_draws * (1 - scales))

    def __call__(self, n: int, kimg: float, device: torch.device | str | None = None) -> Patch:
        """Draw n patches.

        Raises:
            ValueError: If n does not divide into groups.
        """
        group = min(self.group_size, n)
        if n % group:
            raise ValueError(f"batch size: got {n}, wanted a multiple of the patch group of {group}")
        drawn = self.from_draws(self.scale_draws(n // group, kimg), torch.rand(n // group, 2), kimg)
        index = torch.arange(n)
        index = index // group if self.sharing == "consecutive" else index % (n // group)
        return Patch(drawn.scales[index].to(device), drawn.offsets[index].to(device))

    def schedules(self, kimg: float) -> dict[str, float]:
        """Return the values of the part's schedules by name."""
        return {"patch_beta": self.beta(kimg), "patch_min_scale": self.min_scale(kimg)}
