"""Which parameters get gradients, and what becomes of these before the step (docs/method.md, section 10)."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

_LARGE = 1e5


@torch.no_grad()
def sanitize_gradients(
    parameters: Iterable[nn.Parameter],
) -> tuple[Float[Tensor, ""], Int[Tensor, ""]]:
    """Replace NaN by 0 and infinities by +-1e5, in place.

    Returns:
        The norm of the whole sanitized gradient, and how many of its entries were not finite: a number that
        is not 0 announces divergence, which the replacement would hide.
    """
    gradients = [p.grad for p in parameters if p.grad is not None]
    if not gradients:
        raise ValueError("sanitize_gradients: no parameter has a gradient")
    bad = torch.stack([(~g.isfinite()).sum() for g in gradients]).sum()
    for gradient in gradients:
        torch.nan_to_num(gradient, nan=0.0, posinf=_LARGE, neginf=-_LARGE, out=gradient)
    norm = torch.stack(torch._foreach_norm(gradients)).norm()
    return norm, bad


@contextmanager
def without_gradients(parameters: Sequence[nn.Parameter]) -> Iterator[None]:
    """Let no gradient reach these parameters for a while."""
    for parameter in parameters:
        parameter.requires_grad_(False)
    try:
        yield
    finally:
        for parameter in parameters:
            parameter.requires_grad_(True)


def untouched(output: Tensor | None) -> Tensor | float:
    """Return a zero that keeps a head in the graph, since distributed training wants all of it."""
    return 0.0 if output is None else 0 * output.sum()
