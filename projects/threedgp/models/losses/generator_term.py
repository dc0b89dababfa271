"""What regularises a generator now and then, in steps of its own."""

from jaxtyping import Float
from torch import Tensor, nn

from ..generator import GeneratorInput, ThreeDGPGenerator
from ..sampling import Sampling


class GeneratorTerm(nn.Module):
    """A loss of the generator alone, applied lazily (Karras et al. 2020, appendix B).

    Args:
        name: What it is called in the logs.
        interval: Steps between two applications; the loss is multiplied by it.
        batch_shrink: What the batch is divided by.
    """

    one_swap = False
    """Whether a ``PoseSwap`` swaps the poses of the whole batch or of none."""

    def __init__(self, name: str, interval: int, batch_shrink: int = 1) -> None:
        super().__init__()
        for field, value in (("interval", interval), ("batch_shrink", batch_shrink)):
            if value < 1:
                raise ValueError(f"{field}: got {value}, wanted at least 1")
        self.name, self.interval, self.batch_shrink = name, interval, batch_shrink

    def is_due(self, images_seen: int, batch_size: int) -> bool:
        """Tell whether the step that begins at ``images_seen`` is one of those with the term."""
        return images_seen // batch_size % self.interval == 0

    def draw(self, n: int, generator: ThreeDGPGenerator) -> Float[Tensor, "n ..."]:
        """Draw the random numbers that the term needs, for n samples."""
        raise NotImplementedError

    def forward(
        self,
        generator: ThreeDGPGenerator,
        inputs: GeneratorInput,
        sampling: Sampling,
        draws: Float[Tensor, "n ..."],
    ) -> Float[Tensor, " n"]:
        """Return the weighted loss per sample, without the factor for the interval.

        Args:
            generator: The generator.
            inputs: What it would generate images of.
            sampling: How it would sample.
            draws: What ``draw`` returned.
        """
        raise NotImplementedError
