"""Kernel Inception distance (Binkowski et al., "Demystifying MMD GANs", 2018), which has no bias."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from mmagic.registry import METRICS
from torch import Tensor

from ..ranges import Count, Size
from .feature_metric import FeatureMetric, stacked_rows


def polynomial_kernel(x: Float[Tensor, "n d"], y: Float[Tensor, "m d"]) -> Float[Tensor, "n m"]:
    """Return (x . y / d + 1)^3 of all pairs."""
    return (x @ y.T / x.shape[1] + 1) ** 3


def squared_mmd(x: Float[Tensor, "n d"], y: Float[Tensor, "m d"]) -> Float[Tensor, ""]:
    """Return the unbiased estimate of the squared maximum mean discrepancy (Gretton et al., 2012, eq. 3).

    The mean kernel of two different points of each set, less twice that of a point of each: around 0, and
    below 0 in half of all cases, if both sets come from one distribution.

    Args:
        x: At least two points.
        y: At least two points.
    """
    within = [_mean_of_pairs(polynomial_kernel(each, each)) for each in (x, y)]
    return within[0] + within[1] - 2 * polynomial_kernel(x, y).mean()


def _mean_of_pairs(kernel: Float[Tensor, "n n"]) -> Float[Tensor, ""]:
    size = len(kernel)
    return (kernel.sum() - kernel.diagonal().sum()) / (size * (size - 1))


def kernel_inception_distance(
    fake: Float[Tensor, "n d"],
    real: Float[Tensor, "m d"],
    subsets: int = 100,
    size: int = 1000,
    seed: int = 0,
) -> Float[np.ndarray, " subsets"]:
    """Return ``squared_mmd`` of random subsets of both sets, drawn without replacement.

    Args:
        fake: Features of generated images, at least two.
        real: Features of real images, at least two.
        subsets: Number of pairs of subsets; 1 if the sets have no more than ``size`` points.
        size: Points of a subset; fewer where a set has no more.
        seed: Seed of the draws.
    """
    size, rng = min(size, len(fake), len(real)), np.random.default_rng(seed)
    if size == len(fake) == len(real):
        subsets = 1  # all of them would be the same
    return np.array([squared_mmd(*_subsets(rng, size, fake, real)).item() for _ in range(subsets)])


def _subsets(rng: np.random.Generator, size: int, *sets: Float[Tensor, "_ d"]) -> list[Float[Tensor, "_ d"]]:
    return [each[torch.from_numpy(rng.choice(len(each), size, replace=False))].double() for each in sets]


@METRICS.register_module()
class LocalKID(FeatureMetric):
    """Kernel Inception distance: ``kid``, the mean over random subsets, and ``kid_std``, their deviation.

    As it is, not times 1000. The network is that of FID, see ``FeatureMetric``.

    Args:
        fake_nums: Generated images, over all processes.
        real_nums: Real images, spread evenly over the data; -1 for all, whose features then are in memory.
        subsets: Number of subsets.
        subset_size: Images of a subset.
        seed: Seed of the subsets.
        prefix: What comes before the slash of the names.
        **kwargs: See ``FeatureMetric``.

    Raises:
        FileNotFoundError: If the network is neither there nor to be had.
        ValueError: If there is no subset, or it has no pair.
    """

    name = "KID"

    def __init__(
        self,
        fake_nums: Size = 50000,
        real_nums: int = 50000,
        subsets: Size = 100,
        subset_size: Size = 1000,
        seed: Count = 0,
        prefix: str | None = "KID",
        **kwargs: Any,
    ) -> None:
        if subsets < 1 or subset_size < 2:
            raise ValueError(
                f"LocalKID: got subsets={subsets} and subset_size={subset_size}, wanted at least 1 and 2"
            )
        super().__init__(fake_nums, real_nums, prefix=prefix, **kwargs)
        self.subsets, self.subset_size, self.seed = subsets, subset_size, seed

    def compute_metrics(self, fake_results: Sequence[Float[Tensor, "1 d"]]) -> dict[str, float]:
        """Compare the subsets.

        Args:
            fake_results: Features of each generated image.
        """
        values = kernel_inception_distance(
            stacked_rows(fake_results), self.real_features, self.subsets, self.subset_size, self.seed
        )
        return {"kid": float(values.mean()), "kid_std": float(values.std())}
