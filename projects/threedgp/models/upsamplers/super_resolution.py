"""EG3D's super-resolution: two StyleGAN2 blocks on rendered features (Chan et al. 2022, section 4.2)."""

from collections.abc import Sequence
from itertools import pairwise

from jaxtyping import Float
from mmagic.registry import MODELS
from torch import Tensor, nn

from ...layers import NOISE_MODES, SynthesisBlock, resize
from ...ranges import PositiveSchedule, Size
from ...schedules import build_schedule
from ..sampling import Sampling
from ..scene import Upsampled


@MODELS.register_module()
class SuperResolution(nn.Module):
    """Resizes features and the raw image, and adds detail to the latter in blocks that may double the size.

    The raw image is the first three features. EG3D's networks: 128 x 128 has ``input_size=64``, 256 x 256
    has 128, both with ``up=(False, True)``; 512 x 512 has 128, ``channels=(256, 128)``, ``up=(True, True)``.

    Args:
        in_channels: Rendered features.
        w_dim: Width of a style code.
        input_size: Side that the features are resized to.
        channels: Width of each block.
        up: Whether each block doubles the size.
        render_size: Side at which features are rendered, a number or a schedule; outside training its end.
        antialias: Resize with antialiasing.
        shrink: Resize features that are larger, too. The release's 256 x 256 network does not.
        noise_mode: Spatial noise, whatever the planes have.
        pure_raw: Return the raw image as it was rendered. The release adds the first block's output to it in
            place where nothing is resized, and its discriminators have seen that.
    """

    num_ws = 1
    """The same code for all layers."""

    def __init__(
        self,
        in_channels: Size = 32,
        w_dim: Size = 512,
        input_size: Size = 128,
        channels: Sequence[Size] = (128, 64),
        up: Sequence[bool] = (False, True),
        render_size: PositiveSchedule = 64,
        antialias: bool = True,
        shrink: bool = True,
        noise_mode: str = "none",
        pure_raw: bool = False,
    ) -> None:
        super().__init__()
        if noise_mode not in NOISE_MODES:
            raise ValueError(f"noise_mode: got {noise_mode!r}, wanted one of {NOISE_MODES}")
        if len(channels) != len(up):
            raise ValueError(f"channels, up: got {len(channels)} and {len(up)} values, wanted as many")
        self.up, self.noise_mode = tuple(up), noise_mode
        self.size = build_schedule(render_size)
        self.antialias, self.shrink, self.pure_raw = antialias, shrink, pure_raw
        widths = pairwise([in_channels, *channels])
        sides = [input_size * 2 ** sum(up[: index + 1]) for index in range(len(up))]
        self.blocks = nn.ModuleList(
            SynthesisBlock(i, o, 3, w_dim, side, doubled)
            for (i, o), side, doubled in zip(widths, sides, up, strict=True)
        )

    def render_size(self, resolution: int, sampling: Sampling) -> int:
        """Return the side at which features are rendered, whatever that of the images."""
        return round(self.size.end if sampling.kimg is None else self.size(sampling.kimg))

    def image_size(self, resolution: int, sampling: Sampling) -> int:
        """Return the side of the images."""
        return resolution

    def schedules(self, kimg: float) -> dict[str, float]:
        """Return the values of the part's schedules by name."""
        return dict(render_size=self.size(kimg))

    def forward(
        self,
        features: Float[Tensor, "n c s s"],
        ws: Float[Tensor, "n l w"],
        resolution: int,
        sampling: Sampling = Sampling(),
    ) -> Upsampled:
        """Make images.

        Args:
            features: Rendered features.
            ws: Style codes, of which the last counts.
            resolution: Side of the images.
            sampling: How to sample; it does not matter here.
        """
        side = resolution // 2 ** sum(self.up)
        as_it_is = features.shape[-1] == side or (features.shape[-1] > side and not self.shrink)
        raw = features[:, :3]
        x, rgb = (part if as_it_is else resize(part, side, self.antialias) for part in (features, raw))
        for index, block in enumerate(self.blocks):
            x, rgb = block(x, rgb, ws[:, -1:].expand(-1, 3, -1), self.noise_mode)
            if index == 0 and as_it_is and not (self.up[0] or self.pure_raw):
                raw = rgb
        return Upsampled(rgb, raw)
