"""Metrics as a function of model, data and seed: neither their order nor what was drawn before matters."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence, Sized
from typing import Any

from mmagic.evaluation import Evaluator
from mmengine.dist import get_rank
from mmengine.evaluator import BaseMetric
from torch import nn
from torch.utils.data import DataLoader

from ..random_states import RandomStream


class SeededEvaluator(Evaluator):
    """The toolkit's evaluator whose metrics and samples each have random numbers of their own.

    The toolkit's draws from the state that training, or the making of real statistics, left: a cache that
    is there or not then changes the samples. Here each way to sample, and each metric, begins every
    evaluation with a stream that the seed and the process decide on.

    The toolkit also lets metrics share samples whose ``sample_kwargs`` differ, and takes as many real images
    as the first of them asks for. Here they share only what they agree on, as many as the last needs.

    Args:
        metrics: Metrics, or their configs; None for none.
        seed: What decides on all random numbers, from 0 on.
    """

    def __init__(self, metrics: Any, seed: int = 0) -> None:
        super().__init__(metrics)
        self.seed = seed
        self._is_prepared = False
        self._streams: dict[BaseMetric, RandomStream] = {}

    def _stream(self) -> RandomStream:
        return RandomStream(self.seed, get_rank())

    def prepare_metrics(self, module: nn.Module, dataloader: DataLoader) -> None:
        """Let each metric prepare itself, once.

        Args:
            module: The model.
            dataloader: Loader of the real images.
        """
        if not self._is_prepared:
            for metric in self.metrics or []:
                with self._stream():
                    metric.prepare(module, dataloader)
        self._is_prepared = True

    def prepare_samplers(
        self, module: nn.Module, dataloader: DataLoader
    ) -> list[tuple[list[BaseMetric], "SeededBatches"]]:
        """Return metrics that share their samples, and the batches that ask the model for them.

        Args:
            module: The model.
            dataloader: Loader of the real images.
        """
        self._streams = {metric: self._stream() for metric in self.metrics or []}
        samplers = []
        for group in sampling_groups(self.metrics or []):
            batches = most_demanding(group).get_metric_sampler(module, dataloader, group)
            samplers.append((group, SeededBatches(batches, self._stream())))
        return samplers

    def process(self, data_samples: Sequence, data_batch: Any, metrics: Sequence[BaseMetric]) -> None:
        """Hand a batch of samples to metrics.

        Args:
            data_samples: What the model made.
            data_batch: What it was asked for.
            metrics: Whose samples these are.
        """
        for metric in metrics:
            with self._streams[metric]:
                super().process(data_samples, data_batch, [metric])

    def evaluate(self) -> dict[str, float]:
        """Return the values of all metrics.

        Raises:
            ValueError: If two metrics give a value of one name.
        """
        values: dict[str, float] = {}
        for metric in self.metrics or []:
            with self._streams[metric]:
                found = metric.evaluate()
            if twice := values.keys() & found.keys():
                raise ValueError(
                    f"metrics: got two values of {sorted(twice)}, wanted a prefix for each metric"
                )
            values |= found
        return values


class SeededBatches:
    """Batches, between which all random numbers come from a stream: those of the model that samples.

    Args:
        batches: The toolkit's sampler.
        stream: The random numbers.
    """

    def __init__(self, batches: Any, stream: RandomStream) -> None:
        self.batches, self.stream = batches, stream

    def __len__(self) -> int:
        sized: Sized = self.batches
        return len(sized)

    def __iter__(self) -> Iterator[Any]:
        with self.stream:
            yield from self.batches


def sampling_groups(metrics: Iterable[BaseMetric]) -> list[list[BaseMetric]]:
    """Gather the metrics that measure the same samples."""
    groups = defaultdict(list)
    for metric in metrics:
        names = ("SAMPLER_MODE", "sample_model", "need_cond_input", "sample_kwargs")
        groups[repr([getattr(metric, name, None) for name in names])].append(metric)
    return list(groups.values())


def most_demanding(metrics: Sequence[BaseMetric]) -> BaseMetric:
    """Return the metric that asks for most real images; -1 is all of them."""

    def count(metric: BaseMetric) -> float:
        number = getattr(metric, "real_nums", 0)
        return float("inf") if number == -1 else number

    return max(metrics, key=count)
