"""What one training step works on."""

from dataclasses import dataclass

from jaxtyping import Float, Int
from torch import Tensor

from ..rendering import Camera, Patch


@dataclass(frozen=True)
class RealBatch:
    """Real images as the discriminator's phases use them.

    Args:
        images: RGB, with depth as a fourth channel if the model uses depth, [-1, 1].
        label: Classes; None without classes.
        features: The teacher's features of the full images; None without distillation.
    """

    images: Float[Tensor, "n c h w"]
    label: Int[Tensor, " n"] | None
    features: Float[Tensor, "n d"] | None

    def __len__(self) -> int:
        return len(self.images)

    def split(self, size: int) -> list["RealBatch"]:
        """Cut the batch into chunks of at most ``size`` images."""
        parts = [self.images.split(size)]
        for part in (self.label, self.features):
            parts.append([None] * len(parts[0]) if part is None else part.split(size))
        return [RealBatch(*chunk) for chunk in zip(*parts, strict=True)]


@dataclass(frozen=True)
class FakeBatch:
    """What is drawn before images are generated.

    Args:
        z: Latents.
        label: Classes; None without classes.
        prior: Prior cameras.
        patch: Parts of the image plane; None for whole images.
    """

    z: Float[Tensor, "n z"]
    label: Int[Tensor, " n"] | None
    prior: Camera
    patch: Patch | None
