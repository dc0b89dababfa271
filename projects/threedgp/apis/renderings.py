"""How the inferencer renders, and what it returns."""

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float, UInt8

from ..rendering import Camera, RayMarching


@dataclass(frozen=True)
class RenderOptions:
    """How the inferencer renders.

    Args:
        truncation_psi: 1 for the whole variety, 0 for the class mean.
        steps_factor: Samples on a ray, in multiples of training's.
        far_offset: How much farther than in training rays go, world units. The release's 1.0 shows
            what lies behind the trained far plane, but where training let the last sample of a ray
            paint the background, that is replaced by what was never trained.
        resolution: Pixels along a side; None for the size that was trained.
        batch_size: Images rendered at a time. It changes speed and memory, not the images.
        progress: Show a progress bar.

    Raises:
        ValueError: If a number is out of range.
    """

    truncation_psi: float = 0.7
    steps_factor: float = 2
    far_offset: float = 0.0
    resolution: int | None = None
    batch_size: int = 4
    progress: bool = True

    def __post_init__(self) -> None:
        wanted = {
            "steps_factor": (self.steps_factor > 0, "a number above 0"),
            "far_offset": (self.far_offset >= 0, "0 or more"),
            "resolution": (self.resolution is None or self.resolution > 1, "None or at least 2"),
            "batch_size": (self.batch_size >= 1, "at least 1"),
        }
        for name, (holds, what) in wanted.items():
            if not holds:
                raise ValueError(f"{name}: got {getattr(self, name)}, wanted {what}")

    def marching(self, trained: RayMarching) -> RayMarching:
        """Return the ray marching that these options make of the trained one."""
        return replace(
            trained,
            far=trained.far + self.far_offset,
            num_coarse=round(trained.num_coarse * self.steps_factor),
            num_fine=round(trained.num_fine * self.steps_factor),
        )


@dataclass(frozen=True)
class Rendering:
    """One image.

    Args:
        rgb: Colour, RGB bytes.
        depth: Rendered distance from the camera, world units.
        adapted_depth: Depth as the discriminator was shown it, about [-1, 1]; None for a model
            without depth adaptor.
        label: Class; None without classes.
        camera: The camera (one) that sees it.
    """

    rgb: UInt8[np.ndarray, "h w 3"]
    depth: Float[np.ndarray, "h w"]
    adapted_depth: Float[np.ndarray, "h w"] | None
    label: int | None
    camera: Camera
