"""Square patches of the image plane (docs/method.md, section 6)."""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor


@dataclass(frozen=True)
class Patch:
    """A batch of patches, in units of the image side.

    Args:
        scales: Side of each patch along x and y, in (0, 1].
        offsets: Lower-left corner (x right, y up) of each patch, in [0, 1 - scale].
    """

    scales: Float[Tensor, "n 2"]
    offsets: Float[Tensor, "n 2"]

    @classmethod
    def full(cls, n: int, device: torch.device | str | None = None) -> "Patch":
        """Return n patches that cover the whole image."""
        return cls(torch.ones(n, 2, device=device), torch.zeros(n, 2, device=device))

    def __len__(self) -> int:
        return self.scales.shape[0]

    def __getitem__(self, index: slice | Tensor) -> "Patch":
        return Patch(self.scales[index], self.offsets[index])

    @property
    def params(self) -> Float[Tensor, "n 3"]:
        """Scale, x offset and y offset: what the discriminator is told of a patch."""
        return torch.cat([self.scales[:, :1], self.offsets], dim=1)


PIXELS = ("border", "center")


def patch_positions(patch: Patch, resolution: int, pixels: str = "border") -> Float[Tensor, "n h w 2"]:
    """Return the image-plane positions of a patch's pixel centres.

    Args:
        patch: n patches.
        resolution: Pixels along a side of the patch.
        pixels: The outermost positions lie on the ``border`` of the image, as 3DGP has it, or half a pixel
            inside, at the ``center`` of the pixels.

    Returns:
        (x, y) with x to the right and y *up*, rows from the top; a whole image spans [-1, 1].
    """
    device, dtype = patch.scales.device, patch.scales.dtype
    line = torch.linspace(-1, 1, resolution, device=device, dtype=dtype)
    if pixels == "center":
        line = line * (1 - 1 / resolution)
    y, x = torch.meshgrid(-line, line, indexing="ij")
    grid = torch.stack([x, y], dim=-1)
    scales, offsets = patch.scales[:, None, None, :], patch.offsets[:, None, None, :]
    return (grid + 1) * scales - 1 + 2 * offsets


def extract_patches(
    images: Float[Tensor, "n c h w"], patch: Patch, resolution: int
) -> Float[Tensor, "n c p p"]:
    """Resample patches from images, bilinearly with aligned corners.

    Args:
        images: n images.
        patch: n patches.
        resolution: Side p of the result in pixels.
    """
    positions = patch_positions(patch, resolution)
    rows_down = positions * torch.tensor([1.0, -1.0], device=positions.device)
    return F.grid_sample(
        images, rows_down.to(images.dtype), mode="bilinear", padding_mode="zeros", align_corners=True
    )
