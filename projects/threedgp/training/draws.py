"""What a training step draws: latents, classes, cameras and patches, of the whole batch at once."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from ..models.cameras.camera_prior import CameraPrior
from ..models.cameras.camera_regularizers import CameraRegularizer
from ..models.generator import CameraBatch, Mixing
from ..models.patch_sampler import PatchSampler
from ..models.pose_swap import PoseSwap
from ..rendering import Camera, Patch, PoseLabel
from .batches import FakeBatch


@dataclass(frozen=True)
class Draws:
    """Draws whatever chance decides before the networks run.

    Args:
        prior: Prior of the cameras.
        z_dim: Width of a latent.
        label_distribution: Share of each class in the data; None without classes.
        patch_sampler: Where patches are taken; None for whole images.
        kimg: Training time.
        device: Where the draws are wanted.
        mixing: Draws style mixing for a batch; None for none.
        pose_swap: Which poses the mapping is told; None for their own, if any.
    """

    prior: CameraPrior
    z_dim: int
    label_distribution: Float[Tensor, " classes"] | None
    patch_sampler: PatchSampler | None
    kimg: float
    device: torch.device
    mixing: Callable[[int], Mixing] | None = None
    pose_swap: PoseSwap | None = None

    def labels(self, n: int) -> Int[Tensor, " n"] | None:
        """Draw classes as the data has them; None without classes."""
        if self.label_distribution is None:
            return None
        return torch.multinomial(self.label_distribution, n, replacement=True)

    def patches(self, n: int) -> Patch | None:
        """Draw patches; None when training on whole images."""
        return None if self.patch_sampler is None else self.patch_sampler(n, self.kimg, self.device)

    def fakes(self, n: int, one_swap: bool = False) -> FakeBatch:
        """Draw all that n generated patches depend on; ``one_swap`` swaps the poses of all or of none."""
        z, prior = torch.randn(n, self.z_dim).to(self.device), self.prior.sample(n, self.device)
        mixing = None if self.mixing is None else self.mixing(n)
        told = None
        if self.pose_swap is not None:
            draws = torch.rand(1 if one_swap else n, 1, device=self.device)
            told = self.pose_swap(PoseLabel.of(prior).params, draws, self.kimg)
        return FakeBatch(z, self.labels(n), prior, self.patches(n), mixing, told)

    def camera_batches(self, regularizers: Iterable[CameraRegularizer]) -> list[CameraBatch]:
        """Draw the prior cameras that each regulariser looks at."""
        return [self._camera_batch(regularizer.num_samples) for regularizer in regularizers]

    def _camera_batch(self, n: int) -> CameraBatch:
        z, prior = torch.randn(n, self.z_dim).to(self.device), self.prior.sample(n, self.device)
        return CameraBatch(Camera(prior.params.requires_grad_()), z, self.labels(n))
