"""Inception score that says what is missing."""

from collections.abc import Sequence
from typing import Any

from mmagic.evaluation.metrics import InceptionScore
from mmagic.registry import METRICS
from torch import nn
from torch.utils.data import DataLoader, Dataset

from ..ranges import Size
from .inception import check_network, load_network


@METRICS.register_module()
class LocalInceptionScore(InceptionScore):
    """The toolkit's IS with a checked Inception network and checked numbers.

    Args:
        fake_nums: Generated images, over all processes; a whole number, which may be written 5e4.
        splits: Groups of images that the score is the mean of.
        inception_style: See ``load_network``.
        inception_path: See ``load_network``.
        sample_model: Which generator, ``ema`` or ``orig``.
        prefix: What comes before the slash of the names.
        **kwargs: See the toolkit's metric.

    Raises:
        FileNotFoundError: If the network is neither there nor to be had.
        ValueError: If there are fewer images than groups.
    """

    def __init__(
        self,
        fake_nums: Size | float = 50000,
        splits: Size = 10,
        inception_style: str = "StyleGAN",
        inception_path: str | None = None,
        sample_model: str = "ema",
        prefix: str | None = "IS",
        **kwargs: Any,
    ) -> None:
        if fake_nums != int(fake_nums) or not 1 <= splits <= fake_nums:
            raise ValueError(
                f"LocalInceptionScore: got fake_nums={fake_nums} and splits={splits}, wanted whole "
                "numbers with 1 <= splits <= fake_nums"
            )
        super().__init__(
            int(fake_nums),
            splits=splits,
            inception_style=inception_style,
            inception_path=inception_path,
            sample_model=sample_model,
            prefix=prefix,
            **kwargs,
        )

    def _load_inception(self, inception_style: str, inception_path: str | None) -> tuple[nn.Module, str]:
        return load_network(inception_style, inception_path, "IS")

    def check(self, model: nn.Module, dataset: Dataset, samples: Sequence[dict]) -> None:
        """Try the network.

        Args:
            model: The model.
            dataset: The real images, unused.
            samples: What the model makes.

        Raises:
            ValueError: If the network is none of the kind.
        """
        self.prepare(model, DataLoader(dataset))
        check_network(self, samples)
