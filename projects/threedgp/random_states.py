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


class RandomStream:
    """Random numbers of their own: all that is drawn inside ``with stream:`` comes from it.

    A block goes on where the last one ended. What is outside draws as if there were no blocks.

    Args:
        *seed: Numbers, from 0 on, that decide on the stream.
    """

    def __init__(self, *seed: int) -> None:
        with random_state_kept():
            number = int(np.random.SeedSequence(seed).generate_state(1)[0])
            random.seed(number)
            np.random.seed(number)
            torch.manual_seed(number)
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
