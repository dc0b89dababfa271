"""FID that says what is missing, and never takes the statistics of other data."""

import math
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from mmagic.evaluation.metrics import FrechetInceptionDistance
from mmagic.registry import METRICS
from mmagic.utils import MMAGIC_CACHE_DIR
from mmengine.dataset import pseudo_collate
from mmengine.dist import all_gather, get_dist_info, is_main_process
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset, Subset
from tqdm import tqdm

from ..random_states import random_state_kept
from .inception import check_network, load_network, network_digest, statistics_name
from .kept_statistics import read_or_make


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
    cache of real statistics takes no notice of the images or of the network, and with several processes the
    statistics are of other images. Here the file is by default named after all that it depends on, see
    ``statistics_name``; fewer real images than there are are spread evenly over them; and whether there was a
    file has no effect on what is sampled.

    Args:
        fake_nums: Generated images, over all processes.
        real_nums: Real images, -1 for all.
        inception_style: See ``load_network``.
        inception_path: See ``load_network``.
        inception_pkl: File of real statistics, an .npz that is believed if it exists; None for a safe name.
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
        network, style = load_network(inception_style, inception_path, "FID")
        self.network = network_digest(inception_style, inception_path)
        return network, style

    def check(self, model: nn.Module, dataset: Dataset, samples: Sequence[dict]) -> None:
        """Try the network.

        Args:
            model: The model.
            dataset: Unused.
            samples: What the model makes.

        Raises:
            ValueError: If the network is none of the kind.
        """
        self._to_device(model)
        check_network(self, samples)

    def _to_device(self, model: nn.Module) -> None:
        self.device = model.data_preprocessor.device
        self.inception.to(self.device).eval()

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
        self._to_device(module)
        preprocessor: nn.Module = module.data_preprocessor  # type: ignore[assignment]
        with random_state_kept():
            path = self._statistics_path(dataloader.dataset, preprocessor)
            statistics = read_or_make(
                path,
                ("real_mean", "real_cov"),
                make=lambda: self._measure(dataloader, preprocessor),
                # Unless the images were changed meanwhile.
                keep=lambda: path == self._statistics_path(dataloader.dataset, preprocessor),
            )
        if statistics is not None:
            self.real_mean, self.real_cov = statistics["real_mean"], statistics["real_cov"]

    def _statistics_path(self, dataset: Dataset, preprocessor: nn.Module) -> Path:
        if self.inception_pkl is not None:
            path = Path(self.inception_pkl).expanduser()
            if path.is_file() and not zipfile.is_zipfile(path):
                raise ValueError(
                    f"inception_pkl: got {self.inception_pkl!r}, wanted an .npz file of this metric, or a "
                    "name where there is nothing; pickles can run code and are not read"
                )
            return path
        if not is_main_process():
            return Path()
        style = "StyleGAN" if self.inception_style == "StyleGAN" else "PyTorch"
        name = statistics_name(
            dataset, style, self.inception_path, self.real_nums, preprocessor, self.network
        )
        return Path(MMAGIC_CACHE_DIR, name)

    @torch.no_grad()
    def _measure(self, dataloader: DataLoader, preprocessor: nn.Module) -> dict[str, np.ndarray] | None:
        size = len(dataloader.dataset)  # type: ignore[arg-type]
        count = size if self.real_nums == -1 else min(self.real_nums, size)
        chosen = [i * size // count for i in range(count)]
        rank, world_size = get_dist_info()
        # As many for each process, the first ones once more at the end.
        own = [chosen[(i * world_size + rank) % count] for i in range(math.ceil(count / world_size))]
        batches = DataLoader(
            Subset(dataloader.dataset, own),
            dataloader.batch_size,
            num_workers=dataloader.num_workers,
            collate_fn=pseudo_collate,
        )
        features: list[Tensor] = []
        for batch in tqdm(batches, f"{self.prefix}: real images", unit="batch", disable=rank != 0):
            images = preprocessor(batch, False)["data_samples"].gt_img
            features.append(self.forward_inception(images).cpu())
        gathered = torch.stack(all_gather(torch.cat(features)), dim=1).flatten(0, 1)[:count]
        if rank != 0:
            return None
        rows = gathered.double().numpy()
        return dict(real_mean=rows.mean(axis=0), real_cov=np.cov(rows, rowvar=False))
