"""Precision and recall of generated images by nearest neighbours (Kynkäänniemi et al., 2019)."""

from collections.abc import Sequence
from typing import Any

import torch
from jaxtyping import Bool, Float
from mmagic.registry import METRICS
from torch import Tensor
from tqdm import tqdm

from ..ranges import Size
from .feature_metric import FeatureMetric, stacked_rows

DISTANCES_AT_ONCE = 2**25
"""128 MiB in single precision."""


def precision_recall(
    real: Float[Tensor, "n d"], fake: Float[Tensor, "m d"], neighbours: int = 3
) -> tuple[float, float]:
    """Return the shares of generated points near a real one, and of real points near a generated one.

    A point is near another if it is no farther from it than the ``neighbours``-th nearest of the other points
    of its set (equations 1 and 2). Its distances are made in blocks, so that memory grows with n + m alone.

    Args:
        real: Features of real images, more than ``neighbours``.
        fake: Features of generated images, more than ``neighbours``.
        neighbours: Which nearest neighbour is the edge.
    """
    # Distances are made of scalar products, which lose least where the points are around 0.
    middle = real.float().mean(dim=0)
    real, fake = real.float() - middle, fake.float() - middle
    real_radii, fake_radii = (neighbour_radii(each, neighbours) for each in (real, fake))
    precise, recalled = 0, torch.zeros(len(real), dtype=torch.bool, device=real.device)
    for rows in _blocks(fake, len(real), "precision and recall"):
        distances = torch.cdist(fake[rows], real)
        precise += int((distances <= real_radii).any(dim=1).sum())
        recalled |= _is_near_any(distances, fake_radii[rows])
    return precise / len(fake), recalled.double().mean().item()


def _is_near_any(distances: Float[Tensor, "b n"], radii: Float[Tensor, " b"]) -> Bool[Tensor, " n"]:
    return (distances <= radii[:, None]).any(dim=0)


def neighbour_radii(points: Float[Tensor, "n d"], neighbours: int) -> Float[Tensor, " n"]:
    """Return the distance of each point to its ``neighbours``-th nearest other point.

    Args:
        points: More than ``neighbours``.
        neighbours: From 1 on.
    """
    # The nearest of all is the point itself. On a CPU, topk takes a tenth of the time of kthvalue.
    return torch.cat(
        [
            torch.cdist(points[rows], points).topk(neighbours + 1, largest=False).values[:, -1]
            for rows in _blocks(points, len(points), "nearest neighbours")
        ]
    )


def _blocks(points: Float[Tensor, "n d"], columns: int, title: str) -> "tqdm[slice]":
    size = max(DISTANCES_AT_ONCE // columns, 1)
    slices = [slice(start, start + size) for start in range(0, len(points), size)]
    return tqdm(slices, title, unit="block", leave=False, disable=len(slices) < 2)


@METRICS.register_module()
class LocalPrecisionRecall(FeatureMetric):
    """Precision and recall by nearest neighbours: ``precision`` and ``recall``, both 1 if perfect.

    The toolkit's own cannot be used: it looks for the network in one place only, whatever it is told, and
    rounds radii to half precision. The network here is by default that of FID, as in ADM's evaluation; the
    paper's is VGG-16, whose TorchScript takes the same arguments: ``inception_path=vgg16.pt``.

    Args:
        fake_nums: Generated images, over all processes.
        real_nums: Real images, spread evenly over the data; -1 for all, whose features then are in memory.
        neighbours: Which nearest neighbour is the edge of a point.
        prefix: What comes before the slash of the names.
        **kwargs: See ``FeatureMetric``.

    Raises:
        FileNotFoundError: If the network is neither there nor to be had.
        ValueError: If no neighbour is asked for.
    """

    name = "PR"

    def __init__(
        self,
        fake_nums: Size = 50000,
        real_nums: int = 50000,
        neighbours: Size = 3,
        prefix: str | None = "PR",
        **kwargs: Any,
    ) -> None:
        if neighbours < 1:
            raise ValueError(f"LocalPrecisionRecall: got neighbours={neighbours}, wanted at least 1")
        super().__init__(fake_nums, real_nums, prefix=prefix, **kwargs)
        self.neighbours = neighbours

    @property
    def least_images(self) -> int:
        """How many real and how many generated images it needs."""
        return self.neighbours + 1

    def compute_metrics(self, fake_results: Sequence[Float[Tensor, "1 d"]]) -> dict[str, float]:
        """Compare the features.

        Args:
            fake_results: Features of each generated image.
        """
        device: Any = self.device
        fake, real = (each.to(device) for each in (stacked_rows(fake_results), self.real_features))
        precision, recall = precision_recall(real, fake, self.neighbours)
        return {"precision": precision, "recall": recall}
