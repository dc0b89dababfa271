"""What an evaluation will need, checked before it, or before the training that it belongs to."""

import logging
from collections import Counter
from collections.abc import Sequence
from typing import Protocol, runtime_checkable

import torch
from mmagic.evaluation.metrics import (
    FrechetInceptionDistance,
    MultiScaleStructureSimilarity,
    PrecisionAndRecall,
    SlicedWassersteinDistance,
)
from mmagic.structures import DataSample
from mmengine.dataset import pseudo_collate
from mmengine.evaluator import BaseMetric
from mmengine.logging import print_log
from torch import nn
from torch.utils.data import DataLoader, Dataset

from ..random_states import random_state_kept
from ..wording import counted
from .feature_metric import FeatureMetric
from .local_kid import LocalKID
from .seeded_evaluator import sampling_groups

ALL = -1


@runtime_checkable
class Checked(Protocol):
    """A metric that can tell beforehand whether it will work."""

    def check(self, model: nn.Module, dataset: Dataset, samples: Sequence[dict]) -> None:
        """Look at what it will be given.

        Args:
            model: The model.
            dataset: The real images.
            samples: What the model makes of its first batch, of one image.

        Raises:
            ValueError: If it will not work.
        """


def check_evaluation(metrics: Sequence[BaseMetric], loader: DataLoader, model: nn.Module) -> None:
    """Fit the metrics' counts to the data, with a line for each, and refuse what cannot work.

    The model makes one image in each way that the metrics sample; random numbers are left as they are.

    Args:
        metrics: Metrics of one evaluator; their counts are changed.
        loader: Loader of the real images.
        model: The model.

    Raises:
        ValueError: If the data are too few, the model lacks what a metric measures, a count or a size is not
            possible, or two metrics are not told apart.
    """
    kinds = Counter((type(metric), metric.prefix) for metric in metrics)
    for (kind, prefix), count in kinds.items():
        if count > 1:
            raise ValueError(
                f"{kind.__name__}: got {count} metrics with prefix {prefix!r}, wanted different ones"
            )
    if not len(loader.dataset):  # type: ignore[arg-type]
        raise ValueError(f"dataset: got a {type(loader.dataset).__name__} without images, wanted some")
    for metric in metrics:
        fit_counts(metric, len(loader.dataset))  # type: ignore[arg-type]
        check_batches(metric, loader.batch_size)
    for group in sampling_groups(metrics):
        samples = first_samples(group, model, loader.dataset)
        for metric in group:
            check_size(metric, samples)
            if isinstance(metric, Checked):
                metric.check(model, loader.dataset, samples)


def title_of(metric: BaseMetric) -> str:
    """Return what a metric is called in results, or its type."""
    return metric.prefix or type(metric).__name__


def fit_counts(metric: BaseMetric, available: int) -> None:
    """Lower a metric's number of real images to what there is, and say so; refuse impossible numbers.

    The sliced Wasserstein distance compares as many generated images as real ones.

    Args:
        metric: A metric; changed in place.
        available: Number of real images.

    Raises:
        ValueError: If a count is no whole number, or too small for the metric.
    """
    for name in ("real_nums", "fake_nums"):
        if hasattr(metric, name):
            setattr(metric, name, _whole(metric, name))
    if isinstance(metric, MultiScaleStructureSimilarity):
        metric.num_pairs = metric.fake_nums // 2
    wanted = getattr(metric, "real_nums", 0)
    if wanted > available:
        metric.real_nums, kind = available, "real"
        if isinstance(metric, SlicedWassersteinDistance):
            metric.fake_nums, kind = available, "real and generated"
        images = counted(available, f"{kind} image")
        text = f"{title_of(metric)}: {images}, as the data has no more; {wanted} were asked for"
        print_log(text, "current", logging.WARNING)
    _check_least(metric, available)


def _whole(metric: BaseMetric, name: str) -> int:
    number = getattr(metric, name)
    # Numbers such as 5e4 are floats, which slices refuse after all images are made.
    if number != int(number) or number < ALL:
        raise ValueError(f"{title_of(metric)}: got {name}={number}, wanted a whole number")
    return int(number)


def _check_least(metric: BaseMetric, available: int) -> None:
    least = 1
    if isinstance(metric, FeatureMetric):
        least = metric.least_images
    elif isinstance(metric, FrechetInceptionDistance):
        least = 2  # for a covariance
    elif isinstance(metric, PrecisionAndRecall):
        least = metric.k + 1
    elif hasattr(metric, "splits"):
        least = metric.splits
    if hasattr(metric, "fake_nums") and metric.fake_nums != ALL and metric.fake_nums < least:
        raise ValueError(f"{title_of(metric)}: got fake_nums={metric.fake_nums}, wanted at least {least}")
    measures_reals = isinstance(metric, FrechetInceptionDistance | PrecisionAndRecall)
    reals = available if getattr(metric, "real_nums", 0) == ALL else getattr(metric, "real_nums", 0)
    if measures_reals and reals < least:
        raise ValueError(f"{title_of(metric)}: got {counted(reals, 'real image')}, wanted at least {least}")


def counts_of(metric: BaseMetric, available: int) -> dict[str, int]:
    """Return what a protocol says of a metric: its numbers of images and its settings.

    Args:
        metric: A metric whose counts fit the data, see ``fit_counts``.
        available: Number of real images.
    """
    reals = getattr(metric, "real_nums", 0)
    counts = {"samples": getattr(metric, "fake_nums", 0), "reals": available if reals == ALL else reals}
    if isinstance(metric, LocalKID):
        return {**counts, "subsets": metric.subsets, "subset_size": min(metric.subset_size, *counts.values())}
    names = ("splits", "neighbours", "bins", "num_pairs")
    return counts | {name: getattr(metric, name) for name in names if hasattr(metric, name)}


def check_batches(metric: BaseMetric, batch_size: int | None) -> None:
    """Refuse a batch size that a metric cannot work with.

    Args:
        metric: A metric.
        batch_size: That of the loader, which the model samples with too.

    Raises:
        ValueError: If there is none, or it is odd where pairs are compared.
    """
    if batch_size is None:
        raise ValueError(f"{title_of(metric)}: got a loader without batch_size, wanted one")
    if isinstance(metric, MultiScaleStructureSimilarity) and batch_size % 2:
        raise ValueError(
            f"{title_of(metric)}: got batch_size={batch_size}, wanted an even one, as pairs are compared"
        )


def first_samples(group: Sequence[BaseMetric], model: nn.Module, dataset: Dataset) -> list[dict]:
    """Let the model make one image as some metrics will ask for it.

    Args:
        group: Metrics that share their samples.
        model: The model; its mode is left as it is.
        dataset: The real images.

    Raises:
        ValueError: If the model cannot.
    """
    loader = DataLoader(dataset, batch_size=1, collate_fn=pseudo_collate)
    training = model.training
    model.eval()
    try:
        with random_state_kept(), torch.no_grad():
            batch = next(iter(group[0].get_metric_sampler(model, loader, list(group))))
            made = model.val_step(batch)  # type: ignore[operator]
    except Exception as error:
        asked = f"sample_model={getattr(group[0], 'sample_model', None)!r}"
        asked += f", sample_kwargs={getattr(group[0], 'sample_kwargs', {})}"
        raise ValueError(
            f"{title_of(group[0])}: the model makes no image with {asked}: {type(error).__name__}: {error}"
        ) from error
    finally:
        model.train(training)
    return [each.to_dict() if isinstance(each, DataSample) else each for each in made]


def check_size(metric: BaseMetric, samples: Sequence[dict]) -> None:
    """Refuse images of another size than a metric was told.

    Args:
        metric: A metric, perhaps with ``image_shape``.
        samples: Samples with ``fake_img``, or with such samples under ``ema`` and ``orig``, and ``gt_img``.

    Raises:
        ValueError: If real or generated images differ from it.
    """
    if not hasattr(metric, "image_shape"):
        return
    wanted = tuple(metric.image_shape)
    fake = samples[0].get(metric.sample_model, samples[0])["fake_img"]
    for kind, image in (("real", samples[0]["gt_img"]), ("generated", fake)):
        if tuple(image.shape) != wanted:
            raise ValueError(
                f"{title_of(metric)}: got {kind} images {tuple(image.shape)}, wanted image_shape={wanted}"
            )
