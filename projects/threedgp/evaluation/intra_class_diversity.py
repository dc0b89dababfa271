"""How different the images of one class are, beside how different real ones are."""

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

import torch
from jaxtyping import Num
from mmagic.registry import METRICS
from mmengine.dataset import BaseDataset, pseudo_collate
from mmengine.dist import is_main_process
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset, Subset

from ..ranges import Size
from ..training.state_dicts import unwrap
from .image_distances import ImageDistance, load_distance
from .sampled_metric import Labelled, SampledMetric, by_class


def class_means(images: Iterable[Labelled], distance: ImageDistance, per_class: int) -> dict[int, float]:
    """Return the mean distance of all pairs of each class with at least two images.

    Args:
        images: Described images with their classes.
        distance: What they were described by.
        per_class: Most images of a class that are paired, the first ones.
    """
    with torch.no_grad():
        return {
            label: distance.pairwise(torch.stack(members[:per_class])).mean().item()
            for label, members in by_class(images).items()
            if len(members) > 1
        }


def choose_images(dataset: Dataset, per_class: int, conditional: bool) -> list[tuple[int, int]]:
    """Choose up to ``per_class`` images of each class, evenly spread over its images.

    Args:
        dataset: The real images.
        per_class: Most images of a class.
        conditional: Whether there are classes; otherwise all images form class 0.

    Returns:
        Class and index of each image.

    Raises:
        ValueError: If classes are asked for and the dataset does not tell them.
    """
    classes = defaultdict(list)
    for index, label in enumerate(_labels(dataset, conditional)):
        classes[label].append(index)
    chosen = []
    for label, indices in sorted(classes.items()):
        count = min(per_class, len(indices))
        chosen += [(label, indices[i * len(indices) // count]) for i in range(count)]
    return chosen


def check_labels(dataset: Dataset) -> None:
    """Refuse a dataset that does not tell the class of its images.

    Args:
        dataset: The real images.

    Raises:
        ValueError: If it does not.
    """
    size = len(dataset)  # type: ignore[arg-type]
    if not isinstance(dataset, BaseDataset) or (size and "gt_label" not in dataset.get_data_info(0)):
        raise ValueError(
            f"dataset: got a {type(dataset).__name__} without gt_label for a conditional model, wanted a "
            "dataset that tells the class of each image"
        )


def _labels(dataset: Dataset, conditional: bool) -> list[int]:
    size = len(dataset)  # type: ignore[arg-type]
    if not conditional:
        return [0] * size
    check_labels(dataset)
    assert isinstance(dataset, BaseDataset)
    return [int(torch.as_tensor(dataset.get_data_info(i)["gt_label"]).reshape(())) for i in range(size)]


@METRICS.register_module()
class IntraClassDiversity(SampledMetric):
    """Mean distance of two images of a class: ``diversity``, ``real`` (the same of real images), ``ratio``.

    All pairs of a class's first ``per_class`` images are compared, and classes count the same. The labels are
    those that the model draws, so that ``fake_nums`` decides how many images a class has: classes with fewer
    than two generated or real images are left out of all numbers, and ``classes`` says how many are left. The
    others are nan if none is. All images of an unconditional model form one class. A ratio of 1 is as diverse
    as the data, 0 is one image per class.

    Args:
        extractor: ``lpips``, or a TorchScript file whose features are compared (Euclidean distance):
            ``net(uint8 RGB (n, 3, h, w), return_features=True)`` -> (n, d), as for ``LocalFID``.
        lpips_path: Weights of torchvision's AlexNet for ``lpips``; None for torchvision's cache or download.
        per_class: Most images of a class that are compared, at least 2. LPIPS takes k (k - 1) / 2 passes per
            class of k.
        fake_nums: Generated images, over all processes.
        sample_model: Which generator, ``ema`` or ``orig``.
        sample_kwargs: How to sample, see ``ThreeDGP.forward``; default posterior cameras.
        prefix: What comes before the slash of the names.
        collect_device: Where results of other processes go.

    Raises:
        FileNotFoundError: If a file does not exist, or cannot be had.
        ValueError: If a file holds something else, or ``per_class`` is less than 2.
    """

    name = "IntraClassDiversity"
    default_prefix = "IntraClassDiversity"
    needs = ("fake_img",)

    def __init__(
        self,
        extractor: str = "lpips",
        lpips_path: str | None = None,
        per_class: Size = 16,
        fake_nums: Size = 256,
        sample_model: str = "ema",
        sample_kwargs: Mapping | None = None,
        prefix: str | None = None,
        collect_device: str = "cpu",
    ) -> None:
        super().__init__(fake_nums, sample_model, sample_kwargs, prefix, collect_device)
        if per_class < 2:
            raise ValueError(f"per_class: got {per_class}, wanted at least 2, a pair")
        self.distance = load_distance(extractor, lpips_path)
        self.per_class = per_class

    def check(self, model: nn.Module, dataset: Dataset, samples: Sequence[dict]) -> None:
        """Look for images in a first sample, and for the classes of the real ones.

        Args:
            model: The model.
            dataset: The real images.
            samples: What the model makes.

        Raises:
            ValueError: If either is missing.
        """
        super().check(model, dataset, samples)
        if getattr(model, "num_classes", None):
            check_labels(dataset)

    def prepare(self, module: nn.Module, dataloader: DataLoader) -> None:
        """Measure the real images, in the main process.

        Args:
            module: The model, whose preprocessor delivers BGR in [0, 255].
            dataloader: Loader of the real images, with ``gt_img``.
        """
        super().prepare(module, dataloader)
        model = unwrap(module)
        self.distance.to(next(model.parameters()).device)
        self.conditional = bool(getattr(model, "num_classes", None))
        if is_main_process():
            self.real = class_means(self._real_images(dataloader), self.distance, self.per_class)

    def _real_images(self, dataloader: DataLoader) -> Iterable[Labelled]:
        chosen = choose_images(dataloader.dataset, self.per_class, self.conditional)
        subset = Subset(dataloader.dataset, [index for _, index in chosen])
        batches = DataLoader(subset, batch_size=dataloader.batch_size, collate_fn=pseudo_collate)
        described: list[Tensor] = []
        for batch in batches:
            described += self._describe(self.data_preprocessor(batch, False)["data_samples"].gt_img)
        return zip((label for label, _ in chosen), described, strict=True)

    def _describe(self, bgr: Num[Tensor, "n 3 h w"]) -> list[Tensor]:
        rgb = bgr.float().flip(1).round().clamp(0, 255).byte()
        with torch.no_grad():
            return list(self.distance.describe(rgb).cpu())

    def process(self, data_batch: dict, data_samples: Sequence[dict]) -> None:
        """Describe the images of a batch.

        Args:
            data_batch: Unused.
            data_samples: Samples with ``fake_img`` (3, H, W) BGR in [0, 255], or with such samples under
                ``ema`` and ``orig``; with ``gt_label`` of a conditional model.
        """
        if self.is_full:
            return
        labels = self.labels(data_samples) if self.conditional else None
        classes = [0] * len(data_samples) if labels is None else labels.tolist()
        described = self._describe(self.stacked(data_samples, "fake_img"))
        self.fake_results += list(zip(classes, described, strict=True))

    def compute_metrics(self, results: Sequence[Labelled]) -> dict[str, float]:
        """Compare the classes that have pairs among generated and real images.

        Args:
            results: Described images with their classes.
        """
        fake = class_means(results, self.distance, self.per_class)
        common = fake.keys() & self.real.keys()
        diversity, real = (sum(means[label] for label in common) for means in (fake, self.real))
        count = len(common)
        return {
            "diversity": diversity / count if count else math.nan,
            "real": real / count if count else math.nan,
            "ratio": diversity / real if real else math.nan,
            "classes": float(count),
        }
