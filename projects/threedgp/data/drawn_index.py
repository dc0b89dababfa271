"""Indices of samples that know which draw of the training they are."""

from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, nullcontext
from itertools import islice

from mmengine.dataset import InfiniteSampler

from ..random_states import seeded


class DrawnIndex(int):
    """Index of a sample, with the number of its draw: what chance in loading it depends on, and nothing else.

    A sample is thus augmented in the same way whichever worker or process loads it, and however often the
    training was cut.

    Args:
        index: Index of the sample in its dataset.
        seed: Seed of the training.
        draw: How many samples were drawn before, by all processes.
    """

    seed: int
    draw: int

    def __new__(cls, index: int, seed: int, draw: int) -> "DrawnIndex":
        """Make an index."""
        self = super().__new__(cls, index)
        self.seed, self.draw = seed, draw
        return self

    def __reduce__(self) -> tuple:
        """Keep the number of the draw on the way to a worker."""
        return type(self), (int(self), self.seed, self.draw)


def draw_from(sampler: InfiniteSampler, first: int) -> None:
    """Let a sampler go on at some draw.

    Args:
        sampler: The sampler, of one of several processes.
        first: Samples drawn before, by all processes.
    """
    numbered = _numbered(sampler._infinite_indices(), sampler.seed)
    sampler.indices = islice(numbered, first + sampler.rank, None, sampler.world_size)


def _numbered(indices: Iterable[int], seed: int) -> Iterator[DrawnIndex]:
    for draw, index in enumerate(indices):
        yield DrawnIndex(index, seed, draw)


def chance_of(index: int) -> AbstractContextManager:
    """Let chance in a block depend on the draw alone; on what came before for an index that is no draw."""
    return seeded(index.seed, index.draw) if isinstance(index, DrawnIndex) else nullcontext()
