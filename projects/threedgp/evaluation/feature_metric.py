"""What the metrics of Inception features share: the network, and what is known of the real images."""

import math
import zipfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any
from weakref import WeakValueDictionary

import numpy as np
import torch
from jaxtyping import Float
from mmagic.evaluation.metrics import FrechetInceptionDistance
from mmagic.utils import MMAGIC_CACHE_DIR
from mmengine.dataset import pseudo_collate
from mmengine.dist import all_gather, get_dist_info, is_main_process
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset, Subset
from tqdm import tqdm

from ..random_states import random_state_kept
from .inception import check_network, load_network, network_digest, network_file, statistics_name
from .kept_statistics import Statistics, read_or_make


class SharedNetwork(nn.Module):
    """A network that several metrics ask about the same images, one after the other, and that answers once.

    Args:
        network: ``net(images)``, without randomness.
        style: Its style as the toolkit's metrics spell it.
    """

    def __init__(self, network: nn.Module, style: str) -> None:
        super().__init__()
        self.network, self.style = network, style
        self._asked: tuple[Tensor, dict] | None = None

    def forward(self, images: Tensor, **options: Any) -> Any:
        """Return what the network makes of images, or made of the same ones just now."""
        if not self._is_known(images, options):
            self._asked, self._answer = (images.clone(), options), self.network(images, **options)
        return self._answer

    def _is_known(self, images: Tensor, options: dict) -> bool:
        if self._asked is None:
            return False
        known, asked = self._asked
        return options == asked and images.device == known.device and torch.equal(images, known)


_LOADED: WeakValueDictionary[str, SharedNetwork] = WeakValueDictionary()


def shared_network(style: str, path: str | None) -> tuple[SharedNetwork, str]:
    """Return a network and its digest; the same one for the same file, as long as a metric holds it.

    Args:
        style: See ``load_network``.
        path: See ``load_network``.

    Raises:
        FileNotFoundError: If the network is neither there nor to be had.
        ValueError: If the style is unknown, or the file holds something else.
    """
    if style == "StyleGAN":
        network_file(path)  # downloads it, so that there is something to digest
    found = (
        _LOADED.get(network_digest(style, path)) or SharedNetwork(*load_network(style, path, "FID")).eval()
    )
    digest = network_digest(style, path)
    _LOADED[digest] = found
    return found, digest


class FeatureMetric(FrechetInceptionDistance):
    """A metric that compares features of generated and real images, with what it needs of the toolkit's FID.

    The toolkit's cache of real statistics takes no notice of the images or of the network, and with several
    processes the statistics are of other images. Here the file is by default named after all that it depends
    on, see ``statistics_name``; fewer real images than there are are spread evenly over them; and whether
    there was a file has no effect on what is sampled. Metrics of one network and of the same images run it
    once, see ``SharedNetwork``.

    Args:
        fake_nums: Generated images, over all processes.
        real_nums: Real images, -1 for all.
        inception_style: See ``load_network``.
        inception_path: See ``load_network``.
        inception_pkl: File of what is kept of the real images, an .npz that is believed if it exists; None
            for a safe name.
        sample_model: Which generator, ``ema`` or ``orig``.
        prefix: What comes before the slash of the names.
        **kwargs: See the toolkit's FID.

    Raises:
        FileNotFoundError: If the network is neither there nor to be had.
    """

    kept: tuple[str, ...] = ("features",)
    """Names of the arrays that are kept of the real images."""
    kept_kind = "features"
    """Part of the name of their file: metrics of one kind keep the same."""
    inception_pkl: str | None

    def __init__(
        self,
        fake_nums: int = 50000,
        real_nums: int = 50000,
        inception_style: str = "StyleGAN",
        inception_path: str | None = None,
        inception_pkl: str | None = None,
        sample_model: str = "ema",
        prefix: str | None = None,
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

    @property
    def least_images(self) -> int:
        """How many real and how many generated images it needs."""
        return 2

    def keep(self, features: Float[Tensor, "n d"]) -> Statistics:
        """Return what is kept of the features of the real images: here all of them."""
        return dict(features=features.numpy())

    def use(self, statistics: Statistics) -> None:
        """Take up what was kept."""
        self.real_features = torch.from_numpy(statistics["features"])

    def _load_inception(self, inception_style: str, inception_path: str | None) -> tuple[nn.Module, str]:
        network, self.network = shared_network(inception_style, inception_path)
        return network, network.style

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

    def prepare(self, module: nn.Module, dataloader: DataLoader) -> None:
        """Load or make what is kept of the real images.

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
                self.kept,
                make=lambda: self._measure(dataloader, preprocessor),
                # Unless the images were changed meanwhile.
                keep=lambda: path == self._statistics_path(dataloader.dataset, preprocessor),
            )
        if statistics is not None:
            self.use(statistics)

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
            dataset, style, self.inception_path, self.real_nums, preprocessor, self.network, self.kept_kind
        )
        return Path(MMAGIC_CACHE_DIR, name)

    @torch.no_grad()
    def _measure(self, dataloader: DataLoader, preprocessor: nn.Module) -> Statistics | None:
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
        return self.keep(gathered) if rank == 0 else None


def stacked_rows(rows: Iterable[Float[Tensor, "1 d"]]) -> Float[Tensor, "n d"]:
    """Return rows that the processes gathered as one matrix on the CPU."""
    return torch.cat(list(rows)).float().cpu()


def mean_and_covariance(
    features: Float[Tensor, "n d"], rows_at_once: int = 4096
) -> tuple[Float[np.ndarray, " d"], Float[np.ndarray, "d d"]]:
    """Return mean and covariance (n - 1) in double precision, without a double-precision copy of all rows.

    Args:
        features: At least two rows.
        rows_at_once: Rows that are converted at a time.
    """
    chunks = features.split(rows_at_once)
    mean = torch.stack([chunk.double().sum(dim=0) for chunk in chunks]).sum(dim=0) / len(features)
    scatter = torch.zeros(len(mean), len(mean), dtype=torch.float64)
    for chunk in chunks:
        centred = chunk.double() - mean
        scatter += centred.T @ centred
    return mean.numpy(), (scatter / (len(features) - 1)).numpy()
