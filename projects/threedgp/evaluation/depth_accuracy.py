"""How far rendered depth is from a reference, whatever the reference's scale and shift."""

from collections.abc import Mapping, Sequence

import torch
from jaxtyping import Bool, Float, Int
from mmagic.registry import METRICS
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

from ..ranges import Count, NonNegative, Size
from ..training.state_dicts import unwrap
from .sampled_metric import Row, SampledMetric, load_script, mean_of_finite, rgb_from_bgr_bytes

WANTED = "a TorchScript depth estimator: RGB (n, 3, h, w) in [-1, 1] to depth (n, 1, h, w), larger = farther"


def scale_shift_invariant_rmse(
    depth: Float[Tensor, "n 1 h w"], reference: Float[Tensor, "n 1 h w"]
) -> Float[Tensor, " n"]:
    """Return the error of each map after its best alignment s d + t with the reference, in [0, 1].

    s and t are the least squares' (closed form), and the error is the RMSE over the standard deviation of the
    reference, sqrt(1 - r^2) with the correlation r: 0 is perfect, 1 is what a constant map scores. The scale
    is clamped at 0, as a negative one would turn inverted depth into perfect depth: an inverted map scores 1.

    Args:
        depth: Rendered depth, larger = farther, in any unit.
        reference: What it should be, larger = farther, in any unit.

    Returns:
        Errors, float64; nan where the reference is constant.
    """
    d, r = depth.double().flatten(1), reference.double().flatten(1)
    d_zero, r_zero = d - d.mean(dim=1, keepdim=True), r - r.mean(dim=1, keepdim=True)
    covariance, variance = (d_zero * r_zero).mean(dim=1), d_zero.square().mean(dim=1)
    scale = torch.where(_is_constant(d), 0, covariance / variance).clamp(min=0)
    rmse = (scale[:, None] * d_zero - r_zero).square().mean(dim=1).sqrt()
    return torch.where(_is_constant(r), torch.nan, rmse / r_zero.square().mean(dim=1).sqrt())


def _is_constant(values: Float[Tensor, "n k"]) -> Bool[Tensor, " n"]:
    # Exactly: the standard deviation of equal numbers is not always 0 after rounding.
    return values.amax(dim=1) == values.amin(dim=1)


def draw_pairs(num_pairs: int, num_pixels: int, seed: int = 0) -> Int[Tensor, "2 pairs"]:
    """Draw pairs of pixels, the same ones for the same arguments.

    Args:
        num_pairs: Number of pairs.
        num_pixels: Pixels of a map.
        seed: Seed of the draw.

    Returns:
        Indices in [0, ``num_pixels``), on the CPU.
    """
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(num_pixels, (2, num_pairs), generator=generator)


def ordinal_error(
    depth: Float[Tensor, "n 1 h w"],
    reference: Float[Tensor, "n 1 h w"],
    pairs: Int[Tensor, "2 pairs"] | int = 2000,
    threshold: float = 0.1,
) -> Float[Tensor, " n"]:
    """Return the share of pixel pairs that each map has in the wrong order, in [0, 1].

    A pair counts if its reference depths differ by more than ``threshold`` standard deviations of the
    reference map; equal values in ``depth`` are half an error. A constant map scores 0.5, an inverted one 1.

    Args:
        depth: Rendered depth, larger = farther, in any unit.
        reference: What it should be, larger = farther, in any unit.
        pairs: Indices of pixels, row by row, or how many to draw, see ``draw_pairs``.
        threshold: Least difference of a pair, in standard deviations of the reference.

    Returns:
        Errors, float64; nan where no pair counts, as with a constant reference.
    """
    indices = draw_pairs(pairs, depth[0].numel()) if isinstance(pairs, int) else pairs
    first, second = indices.to(depth.device)
    d, r = depth.double().flatten(1), reference.double().flatten(1)
    d_order, r_step = (d[:, first] - d[:, second]).sign(), r[:, first] - r[:, second]
    counts = r_step.abs() > threshold * r.std(dim=1, correction=0, keepdim=True)
    wrong = (1 - d_order * r_step.sign()) / 2
    # Without a pair this is 0 / 0, nan.
    return (wrong * counts).sum(dim=1) / counts.sum(dim=1)


@METRICS.register_module()
class DepthAccuracy(SampledMetric):
    """Mean error of rendered depth: ``ssi_rmse`` and ``ordinal``, both 0 if perfect; ``left_out``.

    ``ssi_rmse`` is 1 for a constant or an inverted map, ``ordinal`` 0.5 and 1. ``left_out`` is the number of
    maps without an ``ssi_rmse``, because their reference is constant.

    The images come from the samples' ``fake_img``, which is (3, H, W) BGR in [0, 255], as
    ``ThreeDGP.forward`` delivers it; the estimator is shown RGB in [-1, 1].

    Args:
        estimator: TorchScript file ``net(rgb)`` that maps RGB images (n, 3, h, w) in [-1, 1] to depth
            (n, 1, h, w), larger = farther, in any scale and shift; None takes the reference from the samples.
        reference_key: Field of the samples with the true depth (1, H, W), larger = farther, where there is no
            estimator.
        fake_nums: Depth maps, over all processes.
        num_pairs: Pixel pairs of a map for ``ordinal``.
        threshold: Least difference of a pair, in standard deviations of the reference.
        seed: Seed of the pairs, which are the same for all maps.
        sample_model: Which generator, ``ema`` or ``orig``.
        sample_kwargs: How to sample, see ``ThreeDGP.forward``; default posterior cameras.
        prefix: What comes before the slash of the names.
        collect_device: Where results of other processes go.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If the file is no TorchScript, or a reference has another shape than the depth.
    """

    name = "DepthAccuracy"
    default_prefix = "DepthAccuracy"
    needs = ("depth",)

    def __init__(
        self,
        estimator: str | None = None,
        reference_key: str = "gt_depth",
        fake_nums: Size = 256,
        num_pairs: Size = 2000,
        threshold: NonNegative = 0.1,
        seed: Count = 0,
        sample_model: str = "ema",
        sample_kwargs: Mapping | None = None,
        prefix: str | None = None,
        collect_device: str = "cpu",
    ) -> None:
        super().__init__(fake_nums, sample_model, sample_kwargs, prefix, collect_device)
        self.estimator = None if estimator is None else load_script(estimator, "estimator", WANTED)
        self.reference_key = reference_key
        self.num_pairs, self.threshold, self.seed = num_pairs, threshold, seed

    def prepare(self, module: nn.Module, dataloader: DataLoader) -> None:
        """Bring the estimator to the model's device.

        Args:
            module: The model.
            dataloader: Unused.
        """
        super().prepare(module, dataloader)
        self._to_device(unwrap(module))

    def _to_device(self, model: nn.Module) -> None:
        if self.estimator is not None:
            preprocessor: nn.Module = model.data_preprocessor  # type: ignore[assignment]
            self.estimator.to(preprocessor.device)  # type: ignore[arg-type]

    def check(self, model: nn.Module, dataset: Dataset, samples: Sequence[dict]) -> None:
        """Look for rendered depth in a first sample, and for what it is compared with.

        Args:
            model: The model.
            dataset: Unused.
            samples: What the model makes.

        Raises:
            ValueError: If either is missing, or they differ in their size.
        """
        super().check(model, dataset, samples)
        if self.estimator is None and self.reference_key not in samples[0]:
            raise ValueError(
                f"DepthAccuracy: got estimator=None and no {self.reference_key!r} in the samples of a "
                f"{type(model).__name__}, wanted {WANTED}"
            )
        self._to_device(model)
        self._depths(samples)

    def process(self, data_batch: dict, data_samples: Sequence[dict]) -> None:
        """Measure the depth maps of a batch.

        Args:
            data_batch: Unused.
            data_samples: Samples with ``depth``, and ``fake_img`` or the reference, or with such samples
                under ``ema`` and ``orig``.
        """
        if self.is_full:
            return
        depth, reference = self._depths(data_samples)
        pairs = draw_pairs(self.num_pairs, depth[0].numel(), self.seed)
        errors = [
            scale_shift_invariant_rmse(depth, reference),
            ordinal_error(depth, reference, pairs, self.threshold),
        ]
        self.fake_results += list(torch.stack(errors, dim=1).split(1))

    def _depths(self, data_samples: Sequence[dict]) -> tuple[Float[Tensor, "n ..."], Float[Tensor, "n ..."]]:
        """Rendered depth, and what it should be."""
        depth = self.stacked(data_samples, "depth")
        reference = self._reference(data_samples).to(depth.device)
        if reference.shape != depth.shape:
            field = self.reference_key if self.estimator is None else "estimator"
            raise ValueError(
                f"{field}: got depth of shape {tuple(reference.shape)}, wanted that of the rendered depth, "
                f"{tuple(depth.shape)}"
            )
        return depth, reference

    def _reference(self, data_samples: Sequence[dict]) -> Float[Tensor, "n ..."]:
        if self.estimator is None:
            return self.stacked(data_samples, self.reference_key)
        with torch.no_grad():
            return self.estimator(rgb_from_bgr_bytes(self.stacked(data_samples, "fake_img")))

    def compute_metrics(self, results: Sequence[Row]) -> dict[str, float]:
        """Return the means over the maps, and how many have no ``ssi_rmse``.

        Args:
            results: Both errors of each map.
        """
        ssi_rmse, ordinal = torch.cat(list(results)).unbind(dim=1)
        return {
            "ssi_rmse": mean_of_finite(ssi_rmse),
            "ordinal": mean_of_finite(ordinal),
            "left_out": float(ssi_rmse.isnan().sum()),
        }
