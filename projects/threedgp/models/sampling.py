"""How one pass of the generator samples."""

from dataclasses import dataclass

from jaxtyping import Float, Int
from torch import Tensor

from ..rendering import LayeredDraws, RayDraws, RayMarching


@dataclass(frozen=True)
class PathDraws:
    """The random numbers of a ``NeRFPathRegularizer``.

    Args:
        pixels: Offset of the grid of pixels in x and y, as fractions of its step.
        rays: Those of the rays of these pixels; None draws them as the others of the sampling.
    """

    pixels: Float[Tensor, "n 2"]
    rays: RayDraws | LayeredDraws | None = None


@dataclass(frozen=True)
class Sampling:
    """How one pass of the generator samples; as it stands, whole images that are reproducible.

    No field depends on whether a module is in training mode: training is ``Sampling.training``.

    Args:
        resolution: Pixels along a side; None for the generator's image size.
        truncation_psi: 1 for none; see ``StyleMapping.truncate``.
        truncation_cutoff: Truncate the first so many layers only.
        truncation_center: What to truncate towards; None for the running mean of w.
        deterministic: Fixed places of the samples on rays and stored noise, or both drawn.
        noise_mode: Spatial noise, ``random``, ``const`` or ``none``; None as ``deterministic`` says.
        marching: Ray marching; None for the renderer's.
        draws: The random numbers of the rays, instead of what ``deterministic`` says.
        path_draws: Those of a ``NeRFPathRegularizer``; None draws them.
        kimg: Training time, in thousands of images, of the noise on densities and of the depth adaptor's
            drawn candidate; None outside training, where there is no noise and nothing is drawn.
        depth_choice: Candidate of the depth adaptor per sample, instead of a drawn one.
        level: Of progressive growing: how many doublings of the resolution are on, of which the fraction is
            being faded in; None for all. Only upsamplers that grow look at it.
    """

    resolution: int | None = None
    truncation_psi: float = 1.0
    truncation_cutoff: int | None = None
    truncation_center: Float[Tensor, "n w"] | None = None
    deterministic: bool = True
    noise_mode: str | None = None
    marching: RayMarching | None = None
    draws: RayDraws | LayeredDraws | None = None
    path_draws: PathDraws | None = None
    kimg: float | None = None
    depth_choice: Int[Tensor, " n"] | None = None
    level: float | None = None

    @classmethod
    def training(cls, kimg: float, resolution: int, level: float | None = None) -> "Sampling":
        """Return how a training step samples.

        Args:
            kimg: Training time in thousands of images.
            resolution: Side of a patch in pixels.
            level: Level of progressive growing; None for all of it.
        """
        return cls(resolution=resolution, deterministic=False, kimg=kimg, level=level)

    @property
    def spatial_noise(self) -> str:
        """The noise mode that counts."""
        return self.noise_mode or ("const" if self.deterministic else "random")
