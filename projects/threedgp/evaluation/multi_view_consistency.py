"""Whether two views of one scene show the same surface: the second, warped into the first, against it."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import torch
from jaxtyping import Bool, Float
from mmagic.registry import METRICS
from torch import Tensor, nn
from torch.utils.data import DataLoader

from ..models.generator import GeneratorOutput
from ..models.sampling import Sampling
from ..ranges import NonNegative, Number, Size
from ..rendering import CAMERA_FIELDS, Camera, RayMarching, warp
from ..training.state_dicts import unwrap
from ..training.threedgp import ThreeDGP
from .sampled_metric import Row, SampledMetric, mean_of_finite

LEAST_SQUARE = 1e-10
"""The least mean square error of a picture in [0, 1]; equal pictures have 100 dB."""


def turned(camera: Camera, yaw: float) -> Camera:
    """Return cameras moved around the vertical axis by an angle (radians), looking at the same points."""
    offset = torch.zeros_like(camera.params)
    offset[:, CAMERA_FIELDS.index("yaw")] = yaw
    return Camera(camera.params + offset)


def far_margin(marching: RayMarching) -> float:
    """Return the depth of the last stratum, which holds the sample that empty rays end at; world units."""
    return (marching.far - marching.near) / (2 * (marching.num_coarse - 1))


def view_errors(
    first: Float[Tensor, "n 3 h h"],
    second: Float[Tensor, "n 3 h h"],
    visible: Bool[Tensor, "n 1 h h"],
    surface: Bool[Tensor, "n 1 h h"],
) -> Float[Tensor, "n 3"]:
    """Compare pictures where both show the same surface.

    Args:
        first: RGB in [0, 1].
        second: RGB in [0, 1], warped into the first view.
        visible: Where the warp is valid.
        surface: Where the first view sees a surface.

    Returns:
        PSNR (dB, at most 100), mean absolute difference, share of ``surface`` that is visible; nan where
        there is nothing to compare.
    """
    both = visible & surface
    count = both.flatten(1).sum(dim=1)
    difference = (first - second).abs().mean(dim=1, keepdim=True)
    square = (first - second).square().mean(dim=1, keepdim=True)
    # Where nothing is compared these are 0 / 0, nan.
    l1, mse = (torch.where(both, each, 0).flatten(1).sum(dim=1) / count for each in (difference, square))
    psnr = -10 * mse.clamp(min=LEAST_SQUARE).log10()
    return torch.stack([psnr, l1, count / surface.flatten(1).sum(dim=1)], dim=1)


@METRICS.register_module()
class MultiViewConsistency(SampledMetric):
    """Agreement of two views of each sample: ``psnr`` (dB), ``l1`` and ``visible``; ``left_out``.

    Each sample's posterior camera is turned in yaw to both sides, and what the second view shows is warped
    into the first through the depth rendered there. Colours in [0, 1] are compared where the second view sees
    the same point; ``visible`` is the share of such pixels among those where the first view sees a surface.
    The rest is background, at or beyond the far plane, which has no geometry. ``left_out`` is the number of
    samples with nothing to compare, which are not in the means of ``psnr`` and ``l1``.

    Args:
        angle: Between the two views, radians.
        depth_tolerance: How far apart the depths of one point may be, world units.
        margin: Depth within that of the far plane is background, world units; None for the last stratum of
            the ray marching, in which empty rays end.
        fake_nums: Samples, over all processes.
        sample_model: Which generator, ``ema`` or ``orig``.
        sample_kwargs: How to sample, see ``ThreeDGP.forward``; default posterior cameras. Both views are
            rendered with fixed ray samples and stored noise in any case, as random noise would make them two
            scenes.
        prefix: What comes before the slash of the names.
        collect_device: Where results of other processes go.

    Raises:
        ValueError: If the tolerance is not positive.
    """

    name = "MultiViewConsistency"
    default_prefix = "MultiViewConsistency"
    needs = ("noise", "camera", "depth")

    def __init__(
        self,
        angle: Number = 0.3,
        depth_tolerance: NonNegative = 0.02,
        margin: NonNegative | None = None,
        fake_nums: Size = 256,
        sample_model: str = "ema",
        sample_kwargs: Mapping | None = None,
        prefix: str | None = None,
        collect_device: str = "cpu",
    ) -> None:
        super().__init__(fake_nums, sample_model, sample_kwargs, prefix, collect_device)
        if depth_tolerance <= 0:
            raise ValueError(f"depth_tolerance: got {depth_tolerance}, wanted more than 0 world units")
        self.angle, self.depth_tolerance, self.margin = angle, depth_tolerance, margin

    def prepare(self, module: nn.Module, dataloader: DataLoader) -> None:
        """Keep the model, and how it marches.

        Args:
            module: A ``ThreeDGP``.
            dataloader: Unused.
        """
        super().prepare(module, dataloader)
        self.model: ThreeDGP = unwrap(module)
        options = {key: value for key, value in self.sample_kwargs.items() if key != "camera"}
        marching = replace(self.model.generator_of("orig").marching, **options.pop("marching", {}))
        margin = far_margin(marching) if self.margin is None else self.margin
        self.near, self.horizon = marching.near, marching.far - margin
        fixed = dict(noise_mode="const", deterministic=True, marching=marching)
        self.sampling = Sampling(**options | fixed)

    def process(self, data_batch: dict, data_samples: Sequence[dict]) -> None:
        """Render and compare two views of each sample of a batch.

        Args:
            data_batch: Unused.
            data_samples: Samples with ``noise`` and ``camera``, and ``gt_label`` of a conditional model.
        """
        if self.is_full:
            return
        camera = Camera(self.stacked(data_samples, "camera"))
        left, right = turned(camera, -self.angle / 2), turned(camera, self.angle / 2)
        first, second = self._view(data_samples, left), self._view(data_samples, right)
        depth, seen = first.full_depth, (_colours(second), second.full_depth, right)
        warped, visible = warp(*seen, depth, left, self.depth_tolerance, first.pixels)
        # A ray through nothing at all, as with cut densities, has a depth of 0.
        surface = (depth >= self.near) & (depth < self.horizon)
        errors = view_errors(_colours(first), warped, visible, surface)
        self.fake_results += list(errors.split(1))

    def _view(self, data_samples: Sequence[dict], camera: Camera) -> GeneratorOutput:
        noise = self.stacked(data_samples, "noise")
        return self.model.sample(noise, self.labels(data_samples), camera, self.sampling, self.sample_model)

    def compute_metrics(self, results: Sequence[Row]) -> dict[str, float]:
        """Return the means over the samples, and how many have nothing to compare.

        Args:
            results: Errors and visible share of each sample.
        """
        psnr, l1, visible = torch.cat(list(results)).unbind(dim=1)
        return {
            "psnr": mean_of_finite(psnr),
            "l1": mean_of_finite(l1),
            "visible": mean_of_finite(visible),
            "left_out": float(psnr.isnan().sum()),
        }


def _colours(view: GeneratorOutput) -> Float[Tensor, "n 3 h h"]:
    return (view.rgb.clamp(-1, 1) + 1) / 2
