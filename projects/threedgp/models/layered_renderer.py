"""Renderer of a scene in front of a background without end (StyleNeRF, NeRF++)."""

from typing import Any

from jaxtyping import Float
from mmagic.registry import MODELS
from torch import Tensor

from ..ranges import NonNegative, NonNegativeSchedule, Size
from ..rendering import Field, LayeredDraws, Patch, RayMarching, RenderOutput, Viewpoint, render_layers
from .sampling import Sampling
from .volume_renderer import VolumeRenderer


@MODELS.register_module()
class LayeredRenderer(VolumeRenderer):
    """Renders a field and what it says of the outside of the unit sphere; defaults are StyleNeRF's.

    Near and far plane are planes, at a distance along the optical axis. Reproducible samples are those of
    StyleNeRF's evaluation: the points of a linspace, and evenly spaced quantiles from 0 to 1.

    Args:
        num_background: Samples of the background.
        background_start: Inverse distance from the world's origin at which the background begins.
        density_noise: Standard deviation of the noise on raw densities in training, number or schedule.
        pixels: Where the outermost rays meet the image, see ``patch_positions``.
        **options: Other arguments of ``VolumeRenderer``, fields of ``RayMarching`` among them.
    """

    def __init__(
        self,
        num_background: Size = 4,
        background_start: NonNegative = 0.5,
        density_noise: NonNegativeSchedule = 1.0,
        pixels: str = "center",
        **options: Any,
    ) -> None:
        options = dict(near=0.88, far=1.12, num_coarse=14, num_fine=14, density="relu") | options
        options = dict(marcher="layered", space="metric") | options
        super().__init__(density_noise=density_noise, pixels=pixels, **options)
        if (self.marching.marcher, self.marching.space) != ("layered", "metric"):
            got = f"{self.marching.marcher!r}, {self.marching.space!r}"
            raise ValueError(f"marcher, space: got {got}, wanted 'layered', 'metric' for LayeredRenderer")
        if num_background < 1:
            raise ValueError(f"num_background: got {num_background}, wanted at least 1")
        self.num_background, self.background_start = num_background, background_start

    def rays(
        self, camera: Viewpoint, side: int, patch: Patch | None = None
    ) -> tuple[Float[Tensor, "n r 3"], Float[Tensor, "n r 3"]]:
        """Return the rays of an image or patch: origins, and vectors to the plane at distance 1."""
        origins, directions = camera.rays(side, patch, self.pixels)
        _, axis = camera.rays(1, None, "center")
        return origins, directions / (directions * axis).sum(dim=-1, keepdim=True)

    def trace(
        self,
        field: Field,
        origins: Float[Tensor, "n r 3"],
        directions: Float[Tensor, "n r 3"],
        marching: RayMarching,
        draws: LayeredDraws,
    ) -> RenderOutput:
        """Render rays; ``directions`` are the vectors that ``rays`` returns."""
        return render_layers(field, origins, directions, marching, draws, self.background_start)

    def draw(
        self, origins: Float[Tensor, "n r 3"], marching: RayMarching, sampling: Sampling
    ) -> LayeredDraws:
        """Return the random numbers of these rays."""
        if sampling.deterministic:
            return LayeredDraws.deterministic(origins, marching, self.num_background)
        noise = 0.0 if sampling.kimg is None else self.density_noise(sampling.kimg)
        return LayeredDraws.random(origins, marching, noise, self.num_background)
