"""Measures images that some other program made, with the metrics that our models are measured with."""

import hashlib
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from mmagic.evaluation.functional.inception_utils import TERO_INCEPTION_URL
from mmagic.models import DataPreprocessor
from mmagic.registry import METRICS
from mmengine.dataset import pseudo_collate
from mmengine.evaluator import BaseMetric
from torch import Tensor, nn
from torch.utils.data import DataLoader
from tqdm import tqdm

from ..data import ImageDepthDataset
from ..data.sample_sets import Sample, Samples, open_samples
from ..evaluation import SeededEvaluator, check_evaluation, counts_of
from ..evaluation.inception import network_file

INCEPTION_SHA256 = "f58cb9b6ec323ed63459aa4fb441fe750cfe39fafad6da5cb504a16f19e958f4"
"""Of NVIDIA's TorchScript, which published numbers are made with."""
LEVELS = 65536
RESOLUTION_RULE = (
    "reals: central square, resized by Lanczos to the resolution; samples: as they are if they have it, "
    "else resized in the same way"
)
METRIC_NAMES = ("fid", "is", "kid", "pr", "nfs", "depth")
FULL_COUNT = 50000
"""Samples that published numbers are of."""


@dataclass(frozen=True)
class FolderOptions:
    """How samples are measured.

    Args:
        inception: TorchScript of the Inception network; None for NVIDIA's.
        vgg: Another network for precision and recall, such as NVIDIA's TorchScript of VGG-16.
        depth_estimator: TorchScript that depth maps are compared with, see ``DepthAccuracy``; None for none.
        resolution: Side that samples and reals are brought to, pixels; None for that of the samples.
        count: Use that many samples, spread evenly over them; None for all.
        use_depth: Measure the depth maps that lie beside the images.
        nearer_larger: Larger values of the depth maps are nearer.
        depth_levels: Values of the depth maps, 0 to 65535 (8-bit values count 256 times), that are the near
            and the far end of the scene.
        metrics: Which of ``METRIC_NAMES`` to measure.
        splits: Groups of images that the Inception score is the mean of.
        batch_size: Images at a time.
        workers: Processes that load.
        device: A torch device.
        seed: Of what is drawn at random.
    """

    inception: str | None = None
    vgg: str | None = None
    depth_estimator: str | None = None
    resolution: int | None = None
    count: int | None = None
    use_depth: bool = True
    nearer_larger: bool = False
    depth_levels: tuple[int, int] = (0, LEVELS - 1)
    metrics: tuple[str, ...] = METRIC_NAMES
    splits: int = 10
    batch_size: int = 64
    workers: int = 2
    device: str = "cpu"
    seed: int = 0

    def __post_init__(self) -> None:
        least = {"resolution": 1, "count": 1, "splits": 1, "batch_size": 1, "workers": 0, "seed": 0}
        for name, bound in least.items():
            value = getattr(self, name)
            if value is not None and value < bound:
                raise ValueError(f"{name}: got {value}, wanted at least {bound}")
        if not self.metrics or not set(self.metrics) <= set(METRIC_NAMES):
            raise ValueError(f"metrics: got {self.metrics}, wanted some of {', '.join(METRIC_NAMES)}")
        low, high = self.depth_levels
        if not 0 <= low < high < LEVELS:
            raise ValueError(f"depth_levels: got {low} {high}, wanted 0 <= NEAR < FAR <= {LEVELS - 1}")

    @property
    def depth_range(self) -> tuple[float, float]:
        """Near and far end of depth as it is loaded, larger = farther."""
        low, high = (level / LEVELS * 2 - 1 for level in self.depth_levels)
        return (-high, -low) if self.nearer_larger else (low, high)


@dataclass(frozen=True)
class FolderResult:
    """What was measured, and how.

    Args:
        metrics: Values by name.
        protocol: What they depend on.
    """

    metrics: dict[str, float]
    protocol: dict[str, Any] = field(default_factory=dict)


class _FolderModel(nn.Module):
    """What metrics and their checks ask of a model, of one whose samples are files."""

    def __init__(self, samples: Sequence[Sample], device: str) -> None:
        super().__init__()
        self.data_preprocessor = DataPreprocessor().to(device)
        self.samples = samples

    def val_step(self, batch: Mapping) -> Sequence[Sample]:
        """Return the first samples."""
        return self.samples[: batch["inputs"]["num_batches"]]


def evaluate_folder(samples_path: str, data_root: str, options: FolderOptions) -> FolderResult:
    """Measure samples against real images.

    FID, IS, KID, precision and recall; of samples with depth maps the non-flatness score, and with an
    estimator the depth accuracy.

    Args:
        samples_path: A folder, a zip archive or an ``.npz`` file, see ``open_samples``.
        data_root: Folder of the real images.
        options: How.

    Raises:
        ValueError: If samples or reals do not fit, or are fewer than a metric needs.
        FileNotFoundError: If a network is neither there nor to be had.
    """
    samples = open_samples(samples_path, options.count, options.resolution, options.use_depth)
    side = options.resolution or samples.facts.side
    reals = real_images(data_root, side)
    metrics = make_metrics(samples, len(reals), options)
    for remark in remarks(samples, options):
        print(f"warning: {remark}", file=sys.stderr)
    loader: DataLoader = DataLoader(
        reals, options.batch_size, num_workers=options.workers, collate_fn=pseudo_collate
    )
    # One process reads an array from beginning to end.
    workers = 0 if samples.facts.kind == "npz" else options.workers
    batches = DataLoader(samples, options.batch_size, num_workers=workers, collate_fn=list)
    values = _measure(metrics, loader, samples, batches, options)
    return FolderResult(values, protocol_of(samples, reals, side, metrics, options))


def real_images(data_root: str, side: int) -> ImageDepthDataset:
    """Return the real images, as models of that resolution are measured with them."""
    pipeline = [dict(type="LoadImage", key="gt"), dict(type="FitSquare"), dict(type="PackInputs")]
    return ImageDepthDataset(
        data_root, conditional=False, use_depth=False, resolution=side, pipeline=pipeline, test_mode=True
    )


def make_metrics(samples: Samples, num_reals: int, options: FolderOptions) -> list[BaseMetric]:
    """Build the metrics that fit the samples.

    Args:
        samples: The samples.
        num_reals: Number of real images.
        options: How they are measured.

    Raises:
        ValueError: If there are fewer images than a metric needs.
        FileNotFoundError: If a network is neither there nor to be had.
    """
    count, mark = len(samples), stand_in_mark(options.inception)
    network: dict[str, Any] = dict(fake_nums=count, inception_path=options.inception)
    judge = {**network, "inception_path": options.vgg} if options.vgg else network
    by = f" ({Path(options.vgg).name})" if options.vgg else mark or " (Inception)"
    some = min(num_reals, FULL_COUNT)
    configs: dict[str, dict] = {
        "fid": dict(type="LocalFID", **network, prefix=f"FID{mark}"),
        "kid": dict(type="LocalKID", **network, real_nums=some, seed=options.seed, prefix=f"KID{mark}"),
        "pr": dict(type="LocalPrecisionRecall", **judge, real_nums=some, prefix=f"PR{by}"),
        "is": dict(type="LocalInceptionScore", **network, splits=options.splits, prefix=f"IS{mark}"),
    }
    if samples.facts.depth:
        configs["nfs"] = dict(type="NonFlatnessScore", fake_nums=count, depth_range=options.depth_range)
    if samples.facts.depth and options.depth_estimator:
        configs["depth"] = dict(type="DepthAccuracy", fake_nums=count, estimator=options.depth_estimator)
    chosen = [config for name, config in configs.items() if name in options.metrics]
    if not chosen:
        wanted = "depth maps beside the images, and for depth an estimator"
        raise ValueError(
            f"metrics: got {', '.join(options.metrics)} for {samples.facts.source}, wanted {wanted}"
        )
    return [METRICS.build(config) for config in chosen]


def stand_in_mark(inception: str | None) -> str:
    """Return what the name of a metric says of a network that is not the one of published numbers.

    Args:
        inception: Its file; None for NVIDIA's.
    """
    if inception is None or file_digest(inception) == INCEPTION_SHA256:
        return ""
    return f" (stand-in {Path(inception).name})"


def file_digest(path: str | None) -> str:
    """Return the SHA-256 of a network's file, wherever it is, see ``network_file``."""
    with network_file(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def remarks(samples: Samples, options: FolderOptions) -> list[str]:
    """Return what someone who compares these numbers with others should know, a line each."""
    facts, found = samples.facts, []
    if facts.compressed:
        found.append(
            f"{facts.compressed} of {facts.count} samples are JPEG, which changes FID; wanted PNG or .npz"
        )
    if facts.count < FULL_COUNT and "fid" in options.metrics:
        found.append(
            f"{facts.count} samples: FID falls with their number; published numbers are of {FULL_COUNT}"
        )
    if options.depth_estimator and not facts.depth:
        found.append(f"--depth-estimator: not used, as there are no depth maps in {facts.source}")
    if facts.depth and "depth" in options.metrics and not options.depth_estimator:
        found.append("depth accuracy is not measured without --depth-estimator")
    return found


@torch.no_grad()
def _measure(
    metrics: list[BaseMetric],
    reals: DataLoader,
    samples: Samples,
    batches: DataLoader,
    options: FolderOptions,
) -> dict[str, float]:
    model = _FolderModel([_placed(next(iter(samples)), options)], options.device)
    check_evaluation(metrics, reals, model)
    evaluator = SeededEvaluator(metrics, options.seed)
    evaluator.prepare_metrics(model, reals)
    evaluator.prepare_samplers(model, reals)
    with tqdm(total=len(samples), desc="samples", unit="img") as progress:
        for batch in batches:
            evaluator.process([_placed(sample, options) for sample in batch], {}, metrics)
            progress.update(len(batch))
    return {name: float(value) for name, value in evaluator.evaluate().items()}


def _placed(sample: Sample, options: FolderOptions) -> Sample:
    """A sample on the device, its depth larger = farther."""
    placed = {
        key: value.to(options.device) if isinstance(value, Tensor) else value for key, value in sample.items()
    }
    if "depth" in placed and options.nearer_larger:
        placed["depth"] = -placed["depth"]
    return placed


def protocol_of(
    samples: Samples,
    reals: ImageDepthDataset,
    side: int,
    metrics: Sequence[BaseMetric],
    options: FolderOptions,
) -> dict[str, Any]:
    """Return all that the values depend on."""
    return {
        "samples": asdict(samples.facts),
        "reals": {"data_root": str(reals.data_root), "count": len(reals)},
        "resolution": side,
        "resolution_rule": RESOLUTION_RULE,
        "networks": networks_of(samples, options),
        "seed": options.seed,
        "metrics": {metric.prefix: counts_of(metric, len(reals)) for metric in metrics},
        "depth_levels": list(options.depth_levels),
        "depth_nearer_larger": options.nearer_larger,
    }


def networks_of(samples: Samples, options: FolderOptions) -> dict[str, dict[str, str]]:
    """Return file and digest of each network that took part."""
    paths: dict[str, str | None] = {}
    if not {"fid", "is", "kid"}.isdisjoint(options.metrics):
        paths["inception"] = options.inception
    if "pr" in options.metrics:
        paths["precision and recall"] = options.vgg or options.inception
    if "depth" in options.metrics and samples.facts.depth and options.depth_estimator:
        paths["depth estimator"] = options.depth_estimator
    return {
        name: {"file": path or TERO_INCEPTION_URL, "sha256": file_digest(path)}
        for name, path in paths.items()
    }
