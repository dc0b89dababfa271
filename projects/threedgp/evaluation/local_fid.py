"""FID that says what is missing, and never takes the statistics of other data."""

from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float
from mmagic.evaluation.metrics import FrechetInceptionDistance
from mmagic.registry import METRICS
from mmagic.utils import MMAGIC_CACHE_DIR
from torch import nn
from torch.utils.data import DataLoader

from .inception import load_network, statistics_name


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
class LocalFID(FrechetInceptionDistance):
    """The toolkit's FID with a checked Inception network, safe real statistics and ``frechet_distance``.

    The toolkit's distance calls SciPy's matrix square root in a way that SciPy 1.18 no longer knows. Its
    cache of real statistics takes no notice of the list of images or of the network, and a file named by
    ``inception_pkl`` is believed whatever it holds. Here the file is by default named after both, see
    ``statistics_name``.

    Args:
        fake_nums: Generated images, over all processes.
        real_nums: Real images, -1 for all.
        inception_style: See ``load_network``.
        inception_path: See ``load_network``.
        inception_pkl: File of real statistics, believed if it exists; None for a safe name.
        sample_model: Which generator, ``ema`` or ``orig``.
        prefix: What comes before the slash of the names.
        **kwargs: See the toolkit's metric.

    Raises:
        FileNotFoundError: If the network is neither there nor to be had.
    """

    inception_pkl: str | None

    def __init__(
        self,
        fake_nums: int = 50000,
        real_nums: int = -1,
        inception_style: str = "StyleGAN",
        inception_path: str | None = None,
        inception_pkl: str | None = None,
        sample_model: str = "ema",
        prefix: str | None = "FID",
        **kwargs: Any,
    ) -> None:
        self.inception_path = inception_path
        super().__init__(
            fake_nums,
            real_nums,
            inception_style,
            inception_path,
            inception_pkl,
            sample_model=sample_model,
            prefix=prefix,
            **kwargs,
        )

    def _load_inception(self, inception_style: str, inception_path: str | None) -> tuple[nn.Module, str]:
        return load_network(inception_style, inception_path, "FID")

    @staticmethod
    def _calc_fid(
        sample_mean: np.ndarray,
        sample_cov: np.ndarray,
        real_mean: np.ndarray,
        real_cov: np.ndarray,
        eps: float = 0.0,
    ) -> tuple[float, float, float]:
        return frechet_distance(sample_mean, sample_cov, real_mean, real_cov)

    def prepare(self, module: nn.Module, dataloader: DataLoader) -> None:
        """Load or make the statistics of the real images.

        Args:
            module: The model.
            dataloader: Loader of the real images.
        """
        if self.inception_pkl is None:
            name = statistics_name(
                dataloader.dataset, self.inception_style, self.inception_path, self.real_nums
            )
            self.inception_pkl = str(Path(MMAGIC_CACHE_DIR, name))
        super().prepare(module, dataloader)
