"""Densities of neighbouring points are alike (Chan et al. 2022, supplement, section 1)."""

import torch
from jaxtyping import Float
from mmagic.registry import MODELS
from torch import Tensor

from ...ranges import NonNegative, Positive, Size
from ..generator import GeneratorInput, ThreeDGPGenerator
from ..sampling import Sampling
from .generator_term import GeneratorTerm


@MODELS.register_module()
class DensityRegularizer(GeneratorTerm):
    """Weight times the mean distance between raw densities of random points and of points near them.

    Args:
        weight: Weight.
        interval: Steps between two applications; the loss is multiplied by it.
        num_points: Points of a sample.
        distance: Standard deviation of the way to the neighbour, world units.
        half_side: Half the side of the cube that the points are uniform in, world units. The release has 1,
            whatever the cube of the field is; None takes that, the field's ``cube_scale``.
    """

    one_swap = True
    """The release swaps the poses of the whole batch or of none."""

    def __init__(
        self,
        weight: NonNegative = 0.25,
        interval: Size = 4,
        num_points: Size = 1000,
        distance: Positive = 0.004,
        half_side: Positive | None = 1.0,
    ) -> None:
        super().__init__("density", interval)
        self.weight, self.num_points = weight, num_points
        self.distance, self.half_side = distance, half_side

    def draw(self, n: int, generator: ThreeDGPGenerator) -> Float[Tensor, "n points 6"]:
        """Draw uniform numbers for the points, and normal ones for the ways to their neighbours."""
        shape = (n, self.num_points, 3)
        device = generator.mapping.w_avg.device
        return torch.cat([torch.rand(shape, device=device), torch.randn(shape, device=device)], dim=-1)

    def forward(
        self,
        generator: ThreeDGPGenerator,
        inputs: GeneratorInput,
        sampling: Sampling,
        draws: Float[Tensor, "n points 6"],
    ) -> Float[Tensor, " n"]:
        """Return the weighted distance per sample; arguments as of ``GeneratorTerm``."""
        half = generator.field.cube_scale if self.half_side is None else self.half_side
        uniform, normal = draws.split(3, dim=-1)
        points = half * (2 * uniform - 1)
        neighbours = points + self.distance * normal
        ws = generator.style(
            inputs.z, inputs.label, sampling, inputs.mixing, conditioning=inputs.conditioning
        )
        _, sigma = generator.scene(ws, sampling).query(torch.cat([points, neighbours], dim=1))
        here, there = sigma.chunk(2, dim=1)
        return self.weight * (here - there).abs().mean(dim=(1, 2))
