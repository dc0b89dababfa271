"""Random numbers that leave those of others alone: Python's, NumPy's and torch's, on CPU and GPU."""

import random
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch

State = tuple[Any, ...]


@contextmanager
def random_state_kept() -> Iterator[None]:
    """Let a block draw random numbers, or set seeds, without an effect on what comes after it."""
    state = _state()
    try:
        yield
    finally:
        _restore(state)


def set_seeds(*seed: int) -> None:
    """Seed Python's, NumPy's and torch's random numbers, on CPU and GPU.

    Args:
        *seed: Numbers, from 0 on, that decide on them.
    """
    number = _number(*seed)
    random.seed(number)
    np.random.seed(number)
    torch.manual_seed(number)


@contextmanager
def seeded(*seed: int) -> Iterator[None]:
    """Seed the random numbers of the CPU for a block, without an effect on what comes after it.

    Args:
        *seed: Numbers, from 0 on, that decide on them.
    """
    # Not of the GPU, which a loader's worker may not touch.
    before = random.getstate(), np.random.get_state(), torch.get_rng_state()
    number = _number(*seed)
    random.seed(number)
    np.random.seed(number)
    torch.default_generator.manual_seed(number)
    try:
        yield
    finally:
        random.setstate(before[0])
        np.random.set_state(before[1])
        torch.set_rng_state(before[2])


def _number(*seed: int) -> int:
    return int(np.random.SeedSequence(seed).generate_state(1)[0])


class RandomStream:
    """Random numbers of their own: all that is drawn inside ``with stream:`` comes from it.

    A block goes on where the last one ended. What is outside draws as if there were no blocks.

    Args:
        *seed: Numbers, from 0 on, that decide on the stream.
    """

    def __init__(self, *seed: int) -> None:
        with random_state_kept():
            set_seeds(*seed)
            self._inside = _state()

    def __enter__(self) -> None:
        self._outside = _state()
        _restore(self._inside)

    def __exit__(self, *error: object) -> None:
        self._inside = _state()
        _restore(self._outside)


def _state() -> State:
    cuda = torch.cuda.get_rng_state() if torch.cuda.is_available() else None
    return random.getstate(), np.random.get_state(), torch.get_rng_state(), cuda


def _restore(state: State) -> None:
    python, numpy, cpu, cuda = state
    random.setstate(python)
    np.random.set_state(numpy)
    torch.set_rng_state(cpu)
    if cuda is not None:
        torch.cuda.set_rng_state(cuda)
