"""What one training step works on, and how it is cut into micro batches."""

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import TypeVar

import torch
from jaxtyping import Float, Int
from mmengine.dist import all_reduce
from torch import Tensor

from ..layers import resize
from ..models.generator import CameraBatch, GeneratorInput, Mixing
from ..rendering import Patch, Viewpoint, extract_patches

B = TypeVar("B", bound="Batch")


def chunk_indices(n: int, size: int | None, group_size: int) -> list[Int[Tensor, " m"]]:
    """Cut a batch into chunks without tearing its minibatch-std groups apart.

    These are strided (samples 0, 2, 4, 6 and 1, 3, 5, 7 of eight), so a chunk takes every so many samples; in
    it they form the same groups as in the whole batch.

    Args:
        n: Samples of the batch.
        size: Most samples of a chunk; None for no limit.
        group_size: Samples of a minibatch-std group; a smaller batch is one group.

    Raises:
        ValueError: If a chunk cannot hold a group, or the batch does not divide into groups.
    """
    if size is None or size >= n:
        return [torch.arange(n)]
    group = min(group_size, n)
    if size < group:
        raise ValueError(
            f"model.micro_batch_size: got {size}, wanted at least {group}, a minibatch-std group of the "
            "discriminator (mbstd_group_size)"
        )
    if n % group:
        raise ValueError(f"batch size: got {n}, wanted a multiple of the minibatch-std group of {group}")
    one_group_per_column = torch.arange(n).reshape(group, -1)
    return [part.flatten() for part in one_group_per_column.split(size // group, dim=1)]


@dataclass(frozen=True)
class Batch:
    """Fields whose first axis is that of the samples; None for what there is not."""

    def __len__(self) -> int:
        return len(getattr(self, fields(self)[0].name))

    def __getitem__(self: B, index: Tensor) -> B:
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        return replace(self, **{name: v if v is None else v[index] for name, v in values.items()})

    def split(self: B, indices: Sequence[Tensor]) -> list[B]:
        """Return a chunk for each list of samples; the batch itself if there is one list only."""
        return [self] if len(indices) == 1 else [self[index] for index in indices]


@dataclass(frozen=True)
class RealBatch(Batch):
    """Real images of a step.

    Args:
        images: RGB, with depth as a fourth channel if the model uses depth, [-1, 1].
        label: Classes; None without classes.
        features: The teacher's features of the full images; None without distillation.
        pose: Where they were taken from, as ``PoseLabel``; None unless the discriminator is told.
    """

    images: Float[Tensor, "n c h w"]
    label: Int[Tensor, " n"] | None
    features: Float[Tensor, "n d"] | None
    pose: Float[Tensor, "n pose"] | None = None

    def cut(self, patch: Patch | None, resolution: int) -> "RealPatches":
        """Show these parts of the images, at this many pixels a side; all of them for None."""
        if patch is None:
            return RealPatches(resize(self.images, resolution), self.label, self.features, None, self.pose)
        images = extract_patches(self.images, patch, resolution)
        return RealPatches(images, self.label, self.features, patch, self.pose)


@dataclass(frozen=True)
class RealPatches(Batch):
    """Real images as one phase shows them to the discriminator.

    Args:
        images: Patches, channels as in ``RealBatch``.
        label: Classes; None without classes.
        features: The teacher's features of the full images; None without distillation.
        patch: Where the patches lie; None for whole images.
        pose: As in ``RealBatch``.
    """

    images: Float[Tensor, "n c p p"]
    label: Int[Tensor, " n"] | None
    features: Float[Tensor, "n d"] | None
    patch: Patch | None
    pose: Float[Tensor, "n pose"] | None = None

    @property
    def scales(self) -> Float[Tensor, " n"] | None:
        """Side of each patch over the image side; None for whole images."""
        return None if self.patch is None else self.patch.scales[:, 0]

    def mean_scale(self) -> Float[Tensor, ""] | None:
        """Mean scale of the patches of all processes; None for whole images."""
        if self.scales is None:
            return None
        mean = self.scales.mean()
        all_reduce(mean, op="mean")
        return mean


@dataclass(frozen=True)
class FakeBatch(Batch):
    """What is drawn before images are generated.

    Args:
        z: Latents.
        label: Classes; None without classes.
        prior: Prior cameras.
        patch: Parts of the image plane; None for whole images.
        mixing: Style mixing; None for none.
        conditioning: Poses that the mapping is told; None tells those of ``prior``, if any.
    """

    z: Float[Tensor, "n z"]
    label: Int[Tensor, " n"] | None
    prior: Viewpoint
    patch: Patch | None
    mixing: Mixing | None = None
    conditioning: Float[Tensor, "n pose"] | None = None

    def inputs(self, cameras: CameraBatch | None = None) -> GeneratorInput:
        """Return what the generator is given, with more cameras for its regularisers."""
        return GeneratorInput(
            self.z,
            self.label,
            prior=self.prior,
            patch=self.patch,
            camera_batch=cameras,
            mixing=self.mixing,
            conditioning=self.conditioning,
        )


@dataclass(frozen=True)
class TermDraws(Batch):
    """Random numbers of a ``GeneratorTerm``."""

    values: Float[Tensor, "n ..."]


@dataclass(frozen=True)
class Seen:
    """What a discriminator is shown.

    Args:
        images: Images or patches.
        raw: Besides, the same before they were upsampled; None unless it is a dual discriminator.
        pose: Where they are seen from; None unless it is told.
    """

    images: Float[Tensor, "n c h w"]
    raw: Float[Tensor, "n c s s"] | None = None
    pose: Float[Tensor, "n pose"] | None = None

    @property
    def tensors(self) -> list[Tensor]:
        """All that there is."""
        return [self.images] if self.raw is None else [self.images, self.raw]

    def leaves(self) -> "Seen":
        """Return the same as leaves of a new graph, to take gradients with respect to them."""
        leaves = [tensor.detach().requires_grad_() for tensor in self.tensors]
        return replace(self, **dict(zip(("images", "raw"), leaves, strict=False)))
