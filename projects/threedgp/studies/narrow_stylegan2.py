"""The toolkit's StyleGAN2 generator at a width that a CPU can train."""

from collections.abc import Mapping
from typing import Any

from mmagic.models.editors.stylegan2 import StyleGAN2Generator
from mmagic.registry import MODELS

from ..ranges import Size, check_ranges


@MODELS.register_module()
class NarrowStyleGAN2Generator(StyleGAN2Generator):
    """The toolkit's ``StyleGAN2Generator`` with a bound on its widths, which it fixes at 512 up to 32 x 32.

    Args:
        *args: As of ``StyleGAN2Generator``.
        max_channels: Most channels at any resolution.
        **kwargs: As of ``StyleGAN2Generator``.
    """

    def __init__(self, *args: Any, max_channels: Size = 64, **kwargs: Any) -> None:
        check_ranges(NarrowStyleGAN2Generator.__init__, dict(max_channels=max_channels), type(self).__name__)
        # The toolkit's constructor assigns the widths and reads them back to build the layers.
        self.max_channels = max_channels
        super().__init__(*args, **kwargs)

    @property
    def channels(self) -> dict[int, int]:
        """Channels at each resolution (side in pixels)."""
        return self._channels

    @channels.setter
    def channels(self, widths: Mapping[int, int]) -> None:
        self._channels = {side: min(width, self.max_channels) for side, width in widths.items()}
