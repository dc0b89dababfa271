"""FID that says what is missing, and never takes the statistics of other data."""

from pathlib import Path
from typing import Any

from mmagic.evaluation.metrics import FrechetInceptionDistance
from mmagic.registry import METRICS
from mmagic.utils import MMAGIC_CACHE_DIR
from torch import nn
from torch.utils.data import DataLoader

from .inception import load_network, statistics_name


@METRICS.register_module()
class LocalFID(FrechetInceptionDistance):
    """The toolkit's FID with a checked Inception network and safe real statistics.

    The toolkit's own cache of real statistics takes no notice of the list of images or of the
    network, and a file named by ``inception_pkl`` is believed whatever it holds. Here the file is
    by default named after both, see ``statistics_name``.

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
