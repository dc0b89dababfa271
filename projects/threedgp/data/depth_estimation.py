"""Depth maps of images from any depth estimator of the `transformers` library."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, UInt8, UInt16
from torch import Tensor

from ..errors import UserError, reason

DEPTH_MAX = 65535
# transformers 4.45 learned to read `depth_estimation_type`; before, metric models gave wrong depth silently.
METRIC_SINCE = (4, 45)
# Model types whose configs do not tell; all of them estimate meters.
METRIC_TYPES = ("chmv2", "depth_pro", "glpn", "zoedepth")


class DepthEstimator:
    """A depth model, and the direction of its numbers.

    Args:
        name: Local folder or name on the hub.
        nearer_larger: The output is larger for nearer points (inverse depth). Where the model's config tells,
            the config counts.
        device: A torch device.

    Raises:
        UserError: If transformers is missing, too old for the model, or does not know or find it, or if
            `nearer_larger` contradicts the config.
    """

    def __init__(self, name: str, nearer_larger: bool, device: str) -> None:
        transformers = _transformers()
        try:
            config = transformers.AutoConfig.from_pretrained(name)
            _check_version(name, config, transformers.__version__)
            self.nearer_larger = _direction(name, config, nearer_larger)
            self.processor = transformers.AutoImageProcessor.from_pretrained(name)
            self.model = transformers.AutoModelForDepthEstimation.from_pretrained(name).to(device).eval()
        except UserError:
            raise
        except (OSError, ValueError, KeyError, ImportError) as error:
            cause = reason(error)
            if "does not recognize this architecture" in cause:
                cause = "its architecture is too new, or of another library"
            raise UserError(
                f"depth model {name!r} cannot be used with transformers {transformers.__version__}: {cause}"
            ) from error
        self.device = device

    @torch.inference_mode()
    def __call__(
        self, images: Sequence[UInt8[np.ndarray, "s s 3"]], side: int
    ) -> UInt16[np.ndarray, "n {side} {side}"]:
        """Depth maps, larger = farther, each stretched from 0 to 65535.

        Args:
            images: RGB squares.
            side: Of the maps, in pixels.
        """
        inputs = self.processor(images=list(images), return_tensors="pt").to(self.device)
        depth = self._depth(self.model(**inputs), [image.shape[:2] for image in images])
        depth = -depth if self.nearer_larger else depth
        depth = F.interpolate(depth[:, None], (side, side), mode="bicubic", antialias=True)[:, 0]
        low, high = depth.amin((1, 2), keepdim=True), depth.amax((1, 2), keepdim=True)
        depth = (depth - low) / (high - low).clamp_min(torch.finfo(depth.dtype).tiny)
        return (depth * DEPTH_MAX).round().cpu().numpy().astype(np.uint16)

    def _depth(self, outputs: Any, sizes: Sequence[tuple[int, int]]) -> Float[Tensor, "n h w"]:
        kind = self.model.config.model_type
        if kind == "zoedepth":  # pads its input, and cuts the padding off again
            found = self.processor.post_process_depth_estimation(outputs, source_sizes=sizes)
        elif kind == "depth_pro":  # predicts inverse depth, and makes meters of it
            found = self.processor.post_process_depth_estimation(outputs)
        else:
            return outputs.predicted_depth.float()
        return torch.stack([each["predicted_depth"] for each in found]).float()


def _transformers() -> Any:
    try:
        import transformers
    except ImportError as error:
        raise UserError("--depth-model needs the package transformers") from error
    return transformers


def _check_version(name: str, config: Any, version: str) -> None:
    release = tuple(int(number) for number in re.findall(r"\d+", version)[:2])
    if getattr(config, "depth_estimation_type", None) == "metric" and release < METRIC_SINCE:
        raise UserError(
            f"depth model {name!r} estimates metric depth, which transformers {version} gets wrong; "
            f"wanted at least {'.'.join(map(str, METRIC_SINCE))}"
        )


def _direction(name: str, config: Any, nearer_larger: bool) -> bool:
    """Whether larger is nearer, by the config where it tells."""
    kind = getattr(config, "depth_estimation_type", None)
    is_metric = kind == "metric" or config.model_type in METRIC_TYPES
    if is_metric and nearer_larger:
        raise UserError(
            f"--depth-nearer-larger: depth model {name!r} estimates meters, and those grow with distance"
        )
    return not is_metric and (nearer_larger or kind == "relative")
