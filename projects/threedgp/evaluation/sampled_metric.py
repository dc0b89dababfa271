"""What metrics of generated samples share: which samples they ask for, and how they read them."""

import os
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import torch
from jaxtyping import Float, Int, Num
from mmagic.evaluation.metrics.base_gen_metric import GenerativeMetric
from torch import Tensor, nn
from torch.utils.data import Dataset

from ..whole_files import is_whole

Row = Float[Tensor, "1 values"]
"""What a metric keeps of one sample; rows of all processes are gathered."""

Labelled = tuple[int, Tensor]
"""The class of an image (0 without classes), and what a metric keeps of it."""


class SampledMetric(GenerativeMetric):
    """A metric of generated samples that shares them with its like.

    The evaluator makes one set of samples for all metrics of a ``SAMPLER_MODE``, and does not look at their
    ``sample_kwargs``: the mode therefore names them. It is not the toolkit's own mode, of whose metrics the
    first one decides how all are sampled.

    Args:
        fake_nums: Samples, over all processes.
        sample_model: Which generator, ``ema`` or ``orig``.
        sample_kwargs: How to sample, see ``ThreeDGP.forward``; empty for posterior cameras.
        prefix: What comes before the slash of the names.
        collect_device: Where results of other processes go.
    """

    def __init__(
        self,
        fake_nums: int,
        sample_model: str,
        sample_kwargs: Mapping | None,
        prefix: str | None,
        collect_device: str,
    ) -> None:
        super().__init__(
            fake_nums,
            sample_model=sample_model,
            sample_kwargs=dict(sample_kwargs or {}),
            prefix=prefix,
            collect_device=collect_device,
        )
        self.SAMPLER_MODE = f"threedgp samples {self.sample_kwargs}"

    @property
    def is_full(self) -> bool:
        """Whether this process has the results it was asked for."""
        return len(self.fake_results) >= self.fake_nums_per_device

    needs: tuple[str, ...] = ()
    """Fields of the samples that it measures."""

    def check(self, model: nn.Module, dataset: Dataset, samples: Sequence[dict]) -> None:
        """Look for what is measured in a first sample.

        Args:
            model: The model.
            dataset: The real images.
            samples: What the model makes.

        Raises:
            ValueError: If the samples lack a field.
        """
        check_fields(self, self.needs, model, samples)

    def stacked(self, data_samples: Sequence[Mapping], key: str) -> Num[Tensor, "n ..."]:
        """Return a field of all samples of a batch.

        Args:
            data_samples: Samples with the field, or with such samples under ``ema`` and ``orig``.
            key: Name of the field.

        Raises:
            KeyError: If a sample lacks the field.
        """
        found = [each.get(self.sample_model, {}).get(key, each.get(key)) for each in data_samples]
        if any(value is None for value in found):
            raise KeyError(f"{type(self).__name__}: got samples without {key!r}, wanted it from the model")
        return torch.stack(found)

    def labels(self, data_samples: Sequence[Mapping]) -> Int[Tensor, " n"] | None:
        """Return the classes of a batch; None if its samples have none."""
        if any("gt_label" not in each for each in data_samples):
            return None
        return torch.cat([each["gt_label"]["label"].reshape(1) for each in data_samples])


def check_fields(
    metric: GenerativeMetric, needs: Sequence[str], model: nn.Module, samples: Sequence[Mapping]
) -> None:
    """Refuse a model whose samples lack what a metric measures.

    Args:
        metric: The metric.
        needs: Names of the fields.
        model: The model.
        samples: What the model makes.

    Raises:
        ValueError: If there is nothing under a name.
    """
    for name in needs:
        if samples[0].get(metric.sample_model, {}).get(name, samples[0].get(name)) is None:
            raise ValueError(
                f"{type(metric).__name__}: got samples of a {type(model).__name__} without {name!r}, wanted "
                "a model that makes it"
            )


def by_class(results: Iterable[Labelled]) -> dict[int, list[Tensor]]:
    """Gather what was kept of samples by their class, in their order."""
    classes = defaultdict(list)
    for label, value in results:
        classes[label].append(value)
    return dict(sorted(classes.items()))


def rgb_from_bgr_bytes(images: Num[Tensor, "*n 3 h w"]) -> Float[Tensor, "*n 3 h w"]:
    """Convert BGR in [0, 255], as the toolkit's sinks want it, to RGB in [-1, 1]."""
    return images.float().flip(-3) / 127.5 - 1


def mean_of_finite(values: Float[Tensor, " n"]) -> float:
    """Return the mean over what is not nan; nan if nothing is left."""
    return values.nanmean().item()


def load_script(path: str, field: str, wanted: str) -> nn.Module:
    """Load a TorchScript file in evaluation mode, on the CPU.

    Args:
        path: The file.
        field: Name of the config field, for errors.
        wanted: What the file should hold, for errors.

    Raises:
        FileNotFoundError: If the file does not exist.
        ValueError: If the file holds something else.
    """
    file = Path(path).expanduser()
    if not file.is_file():
        raise FileNotFoundError(f"{field}: no file {path!r} (looked from {os.getcwd()}), wanted {wanted}")
    if not is_whole(file):
        raise ValueError(f"{field}: {path!r} is not a (whole) TorchScript file, wanted {wanted}")
    try:
        return torch.jit.load(str(file), map_location="cpu").eval()
    except RuntimeError as error:
        raise ValueError(f"{field}: {path!r} is not a (whole) TorchScript file: {error}") from error
