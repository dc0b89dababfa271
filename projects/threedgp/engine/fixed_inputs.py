"""The same latents, classes and cameras whenever pictures or statistics are made."""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from ..rendering import Camera
from ..training.threedgp import ThreeDGP


@dataclass(frozen=True)
class FixedInputs:
    """What generated images depend on.

    Args:
        z: Latents.
        label: Classes; None without classes.
        prior: Prior cameras.
    """

    z: Float[Tensor, "n z"]
    label: Int[Tensor, " n"] | None
    prior: Camera

    def __len__(self) -> int:
        return len(self.z)

    def __getitem__(self, index: slice) -> "FixedInputs":
        label = None if self.label is None else self.label[index]
        return FixedInputs(self.z[index], label, self.prior[index])


def draw_fixed_inputs(model: ThreeDGP, n: int, seed: int) -> FixedInputs:
    """Draw inputs that depend on the seed alone, and leave the random state of training as it is.

    Args:
        model: The model they are for.
        n: How many.
        seed: Seed.
    """
    random = torch.Generator().manual_seed(seed)
    generator = model.generator_of("orig")
    z = torch.randn(n, generator.noise_size, generator=random).to(model.device)
    margin = torch.finfo(torch.float32).eps
    u = torch.rand(n, 8, generator=random).clamp(margin, 1 - margin).to(model.device)
    label = None
    if model.num_classes:
        shares = model.label_distribution.cpu()
        label = torch.multinomial(shares, n, replacement=True, generator=random).to(model.device)
    return FixedInputs(z, label, generator.prior.from_uniform(u))


@torch.no_grad()
def averaged_pose(model: ThreeDGP, inputs: FixedInputs) -> Camera:
    """Posterior cameras of the averaged generator if there is one, else of the trained one.

    Args:
        model: The model.
        inputs: Prior cameras, latents and classes.
    """
    return model.generator_of().pose(inputs.prior, inputs.z, inputs.label)
