"""Path length regulariser: steps among style codes shall be steps of one length among images."""

import math

import torch
from jaxtyping import Float
from mmagic.registry import MODELS
from mmengine.dist import all_reduce
from torch import Tensor

from ...ranges import NonNegative, Share, Size
from ..generator import GeneratorInput, ThreeDGPGenerator
from ..sampling import Sampling
from .generator_term import GeneratorTerm


@MODELS.register_module()
class PathLengthRegularizer(GeneratorTerm):
    """Squared distance of the gradient's length from its running mean (Karras et al. 2020, section 3.2).

    The length is the root of the mean, over the style codes, of the squared gradient with respect to them of
    the image times noise. Its own gradient is a second derivative of the generator, which a look-up by
    ``grid_sample`` does not have. With micro batches, each of them moves the running mean.

    Args:
        weight: Factor on the loss.
        decay: How far the running mean moves towards a batch's.
        interval: Steps between two applications; the loss is multiplied by it.
        batch_shrink: What the batch is divided by.
    """

    mean_length: Float[Tensor, ""]

    def __init__(
        self, weight: NonNegative = 2.0, decay: Share = 0.01, interval: Size = 4, batch_shrink: Size = 2
    ) -> None:
        super().__init__("path_length", interval, batch_shrink)
        self.weight, self.decay = weight, decay
        self.register_buffer("mean_length", torch.zeros([]))

    def draw(self, n: int, generator: ThreeDGPGenerator) -> Float[Tensor, "n 3 h h"]:
        """Draw noise as large as the images will be when they do not grow any more."""
        size = generator.patch_size
        return torch.randn(n, 3, size, size, device=generator.mapping.w_avg.device)

    def lengths(
        self,
        images: Float[Tensor, "n 3 h w"],
        ws: Float[Tensor, "n l d"],
        noise: Float[Tensor, "n 3 h w"],
        num_ws: int | None = None,
    ) -> Float[Tensor, " n"]:
        """Return the length of the path of each image, with its graph.

        Args:
            images: Images.
            ws: The style codes that they were made of.
            noise: Normal noise.
            num_ws: How many of them count, the first ones; None for all.
        """
        height, width = images.shape[-2:]
        seen = (images * noise).sum() / math.sqrt(height * width)
        (gradient,) = torch.autograd.grad(seen, ws, create_graph=True)
        return gradient[:, :num_ws].square().sum(dim=2).mean(dim=1).sqrt()

    def forward(
        self,
        generator: ThreeDGPGenerator,
        inputs: GeneratorInput,
        sampling: Sampling,
        draws: Float[Tensor, "n 3 h h"],
    ) -> Float[Tensor, " n"]:
        """Return the weighted loss per sample, and move the running mean.

        Args:
            generator: The generator.
            inputs: What it would generate images of.
            sampling: How it would sample.
            draws: What ``draw`` returned.
        """
        if not getattr(generator.field, "twice_differentiable", True):
            kind = type(generator.field).__name__
            raise ValueError(f"field.type: got {kind}, wanted one with a second derivative for path_length")
        output = generator.generate(inputs, sampling)
        size = output.rgb.shape[-1]
        lengths = self.lengths(output.rgb, output.ws, draws[:, :, :size, :size], generator.num_ws)
        mean = self.mean_length + self.decay * (lengths.mean() - self.mean_length)
        stored = mean.detach().clone()
        all_reduce(stored, op="mean")
        loss = self.weight * (lengths - mean).square()
        self.mean_length.copy_(stored)
        # What the length does not depend on (biases of images) has gradient 0, not none.
        return loss + 0 * output.rgb[:, 0, 0, 0]
