"""FID that says what is missing, and never takes the statistics of other data."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import Float
from mmagic.registry import METRICS
from torch import Tensor

from ..ranges import Size
from .feature_metric import FeatureMetric, mean_and_covariance, stacked_rows
from .kept_statistics import Statistics


def frechet_distance(
    mean: Float[np.ndarray, " d"],
    cov: Float[np.ndarray, "d d"],
    other_mean: Float[np.ndarray, " d"],
    other_cov: Float[np.ndarray, "d d"],
) -> tuple[float, float, float]:
    """Squared Fréchet distance between two Gaussians (Dowson and Landau, 1982), and its two terms.

    |m - m'|² + tr(C + C' - 2 (C C')^½). The eigenvalues of C C' are those of the symmetric C^½ C' C^½, so
    two symmetric eigenvalue problems give the trace, also where a covariance is singular.

    Returns:
        The distance, the term of the means, the term of the covariances.
    """
    values, vectors = np.linalg.eigh(cov)
    root = (vectors * np.sqrt(values.clip(0))) @ vectors.T
    spectrum = np.linalg.eigvalsh(root @ other_cov @ root)
    means = float(np.square(mean - other_mean).sum())
    covariances = float(np.trace(cov) + np.trace(other_cov) - 2 * np.sqrt(spectrum.clip(0)).sum())
    return means + covariances, means, covariances


@METRICS.register_module()
class LocalFID(FeatureMetric):
    """The toolkit's FID with a checked Inception network, safe real statistics and ``frechet_distance``.

    The toolkit's distance calls SciPy's matrix square root in a way that SciPy 1.18 no longer knows. Of the
    real images mean and covariance are kept, see ``FeatureMetric``.

    Args:
        fake_nums: Generated images, over all processes.
        real_nums: Real images, -1 for all.
        prefix: What comes before the slash of the names.
        **kwargs: See ``FeatureMetric``.

    Raises:
        FileNotFoundError: If the network is neither there nor to be had.
    """

    kept = ("real_mean", "real_cov")
    kept_kind = "fid"

    def __init__(
        self, fake_nums: Size = 50000, real_nums: int = -1, prefix: str | None = "FID", **kwargs: Any
    ) -> None:
        super().__init__(fake_nums, real_nums, prefix=prefix, **kwargs)

    def keep(self, features: Float[Tensor, "n d"]) -> Statistics:
        """Return mean and covariance of the features of the real images."""
        mean, cov = mean_and_covariance(features)
        return dict(real_mean=mean, real_cov=cov)

    def use(self, statistics: Statistics) -> None:
        """Take up mean and covariance."""
        self.real_mean, self.real_cov = statistics["real_mean"], statistics["real_cov"]

    def compute_metrics(self, fake_results: Sequence[Float[Tensor, "1 d"]]) -> dict[str, float]:
        """Return the distance, ``fid``, and its two terms, ``mean`` and ``cov``.

        Args:
            fake_results: Features of each generated image.
        """
        fake = mean_and_covariance(stacked_rows(fake_results))
        fid, mean, cov = frechet_distance(*fake, self.real_mean, self.real_cov)
        return {"fid": fid, "mean": mean, "cov": cov}
