"""Weight average of the generator, in images seen (docs/method.md, section 10)."""

from collections.abc import Callable

import torch
from jaxtyping import Int
from mmagic.registry import MODELS
from mmengine.model import BaseAveragedModel
from torch import Tensor, nn

from ..ranges import NonNegative, Positive, check_ranges


def ema_decay(images_seen: int, batch_size: int, half_life_kimg: float, rampup: float) -> float:
    """Return the decay of one step: 0.5^(batch / half life).

    Args:
        images_seen: Images before the step; 0 gives a decay of 0, which copies the weights.
        batch_size: Images of the step, over all processes.
        half_life_kimg: Half-life in thousands of images.
        rampup: The half-life is at most this fraction of ``images_seen``.
    """
    half_life = min(half_life_kimg * 1000, rampup * images_seen)
    return 0.5 ** (batch_size / max(half_life, 1e-8))


@MODELS.register_module()
class ImagesSeenEMA(BaseAveragedModel):
    """Exponential moving average whose half-life is counted in images; buffers are copied.

    The toolkit's ``RampUpEMA`` counts steps, from 1, and takes the batch size from its config.

    An average has an age, the images that went into it. It is that of the training, unless a new training
    began with it: the ramp-up does not begin anew then, which would overwrite it within a few steps.

    Args:
        model: The model to average.
        half_life_kimg: Half-life in thousands of images; None for 0.3125 times the batch size (20 at 64).
        rampup: The half-life is at most this fraction of the average's age.
    """

    images_before: Int[Tensor, ""]
    steps: Tensor

    def __init__(
        self, model: nn.Module, half_life_kimg: Positive | None = None, rampup: NonNegative = 0.05
    ) -> None:
        given = dict(half_life_kimg=half_life_kimg, rampup=rampup)
        check_ranges(ImagesSeenEMA.__init__, given, "ImagesSeenEMA")
        super().__init__(model, update_buffers=False)
        self.half_life_kimg, self.rampup = half_life_kimg, rampup
        self.decay = 0.0
        self.register_buffer("images_before", torch.zeros((), dtype=torch.long))

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> "ImagesSeenEMA":
        """Move or convert everything but the counts: each step reads them, and must not wait for a device."""
        steps, images_before = self.steps, self.images_before
        super()._apply(fn, recurse)
        self.steps, self.images_before = steps, images_before
        return self

    def keep_age(self, old: int, new: int) -> None:
        """Let the average stay as old as it is although the training's count goes from ``old`` to ``new``."""
        self.images_before += old - new

    def step(self, model: nn.Module, images_seen: int, batch_size: int) -> None:
        """Move towards ``model`` after a step of ``batch_size`` images that began at ``images_seen``."""
        half_life = 0.3125 * batch_size if self.half_life_kimg is None else self.half_life_kimg
        age = images_seen + int(self.images_before)
        self.decay = ema_decay(age, batch_size, half_life, self.rampup)
        self.update_parameters(model)
        for average, source in zip(self.module.buffers(), model.buffers(), strict=True):
            average.copy_(source)

    def avg_func(self, averaged_param: Tensor, source_param: Tensor, steps: int | Tensor) -> None:
        """Average one parameter in place."""
        averaged_param.lerp_(source_param.to(averaged_param), 1 - self.decay)

    @torch.no_grad()
    def update_parameters(self, model: nn.Module) -> None:
        """Average all parameters with the current decay."""
        super().update_parameters(model)
