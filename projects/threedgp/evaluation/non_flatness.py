"""Non-flatness score: how much of the depth range an image's geometry uses (docs/method.md, section 12)."""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from mmagic.evaluation.metrics.base_gen_metric import GenerativeMetric
from mmagic.registry import METRICS
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

from ..ranges import Number, Size
from ..training.state_dicts import unwrap
from ..training.threedgp import ThreeDGP
from .sampled_metric import check_fields

FRONTAL = dict(camera="mean", marching=dict(cut_quantile=0.5))


def depth_histograms(
    depth: Float[Tensor, "n 1 h w"], near: float, far: float, bins: int = 64
) -> Float[Tensor, "n bins"]:
    """Count the depth values of each map, clamped to [near, far], in equal bins.

    Args:
        depth: Rendered depth, world units.
        near: Lower end of the first bin.
        far: Upper end of the last bin.
        bins: Number of bins.
    """
    maps = depth.float().clamp(near, far).flatten(1)
    return torch.stack([torch.histc(each, bins, near, far) for each in maps])


def non_flatness_score(
    depth: Float[Tensor, "n 1 h w"], near: float, far: float, bins: int = 64
) -> Float[Tensor, " n"]:
    """Return exp(entropy of the depth histogram) of each map: 1 if flat, ``bins`` if uniform.

    Args:
        depth: Rendered depth, world units.
        near: Lower end of the depth range.
        far: Upper end of the depth range.
        bins: Number of bins.
    """
    counts = depth_histograms(depth, near, far, bins)
    shares = counts / counts.sum(dim=1, keepdim=True)
    return torch.special.entr(shares).sum(dim=1).exp()


@METRICS.register_module()
class NonFlatnessScore(GenerativeMetric):
    """Mean non-flatness of depth maps that the frontal camera sees: ``nfs``, and ``nfs_std``.

    Args:
        fake_nums: Depth maps, over all processes.
        bins: Bins of the histograms.
        depth_range: Near and far end of the depth; None for those of the model.
        sample_model: Which generator, ``ema`` or ``orig``.
        sample_kwargs: How to sample, see ``ThreeDGP.forward``.
        prefix: What comes before the slash of the names.
        collect_device: Where results of other processes go.
    """

    name = "NFS"
    default_prefix = "NFS"

    def __init__(
        self,
        fake_nums: Size = 256,
        bins: Size = 64,
        depth_range: tuple[Number, Number] | None = None,
        sample_model: str = "ema",
        sample_kwargs: dict = FRONTAL,
        prefix: str | None = None,
        collect_device: str = "cpu",
    ) -> None:
        super().__init__(
            fake_nums,
            sample_model=sample_model,
            sample_kwargs=sample_kwargs,
            prefix=prefix,
            collect_device=collect_device,
        )
        self.bins, self.depth_range = bins, depth_range
        # Metrics of one mode share their samples, and the evaluator does not look at sample_kwargs.
        self.SAMPLER_MODE = f"{type(self).__name__} {sample_kwargs}"

    def check(self, model: nn.Module, dataset: Dataset, samples: Sequence[dict]) -> None:
        """Look for depth in a first sample.

        Args:
            model: The model.
            dataset: Unused.
            samples: What the model makes.

        Raises:
            ValueError: If there is none.
        """
        check_fields(self, ("depth",), model, samples)

    def prepare(self, module: nn.Module, dataloader: DataLoader) -> None:
        """Take the depth range from the model, unless it was given.

        Args:
            module: A ``ThreeDGP``; any model with ``data_preprocessor`` if the range was given.
            dataloader: Unused.
        """
        super().prepare(module, dataloader)
        model: ThreeDGP = unwrap(module)
        self.near, self.far = self.depth_range or model.generator_of("orig").depth_range

    def process(self, data_batch: dict, data_samples: Sequence[dict]) -> None:
        """Score the depth maps of a batch.

        Args:
            data_batch: Unused.
            data_samples: Samples with ``depth``, or with such samples under ``ema`` and ``orig``.
        """
        if len(self.fake_results) >= self.fake_nums_per_device:
            return
        depth = torch.stack([each.get(self.sample_model, each)["depth"] for each in data_samples])
        scores = non_flatness_score(depth, self.near, self.far, self.bins)
        self.fake_results += list(scores.split(1))

    def compute_metrics(self, results: Sequence[Float[Tensor, " 1"]]) -> dict[str, float]:
        """Return mean and standard deviation over the maps.

        Args:
            results: Score of each map.
        """
        scores = torch.cat(list(results))
        return {"nfs": scores.mean().item(), "nfs_std": scores.std(correction=0).item()}
