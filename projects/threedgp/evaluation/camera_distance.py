"""How far the learned distribution of cameras is from a given one, field by field."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from mmagic.registry import METRICS
from scipy.stats import wasserstein_distance

from ..rendering import CAMERA_FIELDS
from .sampled_metric import Labelled, SampledMetric, by_class


def load_cameras(path: str) -> Float[np.ndarray, "n 8"]:
    """Load cameras, the fields in the order of ``CAMERA_FIELDS``.

    Args:
        path: A ``.npy`` file (n, 8) as ``tools/data/make_toy_scenes.py`` writes it.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it is no array, or one of another shape, or holds numbers that are not finite.
    """
    wanted = f"a .npy array (n, {len(CAMERA_FIELDS)}) of {', '.join(CAMERA_FIELDS)}"
    file = Path(path).expanduser()
    if not file.is_file():
        raise FileNotFoundError(f"cameras: no file {path!r} (looked from {os.getcwd()}), wanted {wanted}")
    try:
        cameras = np.load(file)
    except (ValueError, EOFError) as error:
        raise ValueError(f"cameras: {path!r} cannot be read ({error}), wanted {wanted}") from error
    if not isinstance(cameras, np.ndarray) or cameras.shape[1:] != (len(CAMERA_FIELDS),) or not len(cameras):
        raise ValueError(
            f"cameras: got {getattr(cameras, 'shape', type(cameras))} in {path!r}, wanted {wanted}"
        )
    if not np.isfinite(cameras).all():
        raise ValueError(f"cameras: got numbers in {path!r} that are not finite, wanted {wanted}")
    return cameras.astype(np.float64)


@METRICS.register_module()
class CameraDistance(SampledMetric):
    """Wasserstein-1 distance between posterior cameras and given ones, in the unit of each field.

    For each field: ``<field>``, the distance of the two one-dimensional distributions; ``<field>_centred``,
    the same without both means, which is what remains if the model's world is merely turned or shifted, a
    freedom that images leave; ``<field>_std``, the standard deviation of the learned cameras, 0 if they have
    collapsed; ``<field>_in_class`` and ``<field>_std_in_class``, the mean over classes of the distance and
    the deviation of a class's cameras. Classes that each stand in a place of their own, a collapse within
    every class, can look like the given cameras when taken together. All images of an unconditional model
    form one class; classes of one camera are left out, and the two are nan if no other is left. Angles are
    compared on the line: yaws of pi and -pi are 2 pi apart.

    A sample differs from the distribution that it was drawn from: compare values of the same ``fake_nums``
    only, the more so within classes, among which they are divided.

    Args:
        cameras: File of the given cameras, see ``load_cameras``; they are those of every class.
        fields: Names out of ``CAMERA_FIELDS``; angles in radians, ``fov_deg`` in degrees.
        fake_nums: Posterior cameras, over all processes.
        sample_model: Which generator, ``ema`` or ``orig``.
        sample_kwargs: How to sample, see ``ThreeDGP.forward``; default posterior cameras.
        prefix: What comes before the slash of the names.
        collect_device: Where results of other processes go.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If the file holds something else, or a field is unknown.
    """

    name = "CameraDistance"
    default_prefix = "CameraDistance"
    needs = ("camera",)

    def __init__(
        self,
        cameras: str,
        fields: Sequence[str] = ("yaw", "pitch", "fov_deg"),
        fake_nums: int = 256,
        sample_model: str = "ema",
        sample_kwargs: Mapping | None = None,
        prefix: str | None = None,
        collect_device: str = "cpu",
    ) -> None:
        super().__init__(fake_nums, sample_model, sample_kwargs, prefix, collect_device)
        if isinstance(fields, str) or not fields or not set(fields) <= set(CAMERA_FIELDS):
            raise ValueError(f"fields: got {fields!r}, wanted a list out of {CAMERA_FIELDS}")
        self.cameras, self.fields = load_cameras(cameras), tuple(fields)

    def process(self, data_batch: dict, data_samples: Sequence[dict]) -> None:
        """Keep the cameras of a batch, and their classes.

        Args:
            data_batch: Unused.
            data_samples: Samples with ``camera`` (8,), or with such samples under ``ema`` and ``orig``; with
                ``gt_label`` of a conditional model.
        """
        if self.is_full:
            return
        cameras, label = self.stacked(data_samples, "camera").cpu(), self.labels(data_samples)
        classes = [0] * len(cameras) if label is None else label.tolist()
        self.fake_results += list(zip(classes, cameras, strict=True))

    def compute_metrics(self, results: Sequence[Labelled]) -> dict[str, float]:
        """Compare the fields one by one.

        Args:
            results: Camera of each sample with its class.
        """
        learned = [torch.stack(cameras).double().numpy() for cameras in by_class(results).values()]
        values: dict[str, float] = {}
        for name in self.fields:
            column = CAMERA_FIELDS.index(name)
            classes, given = [cameras[:, column] for cameras in learned], self.cameras[:, column]
            values |= _compare(name, np.concatenate(classes), given) | _compare_classes(name, classes, given)
        return values


def _compare(name: str, learned: Float[np.ndarray, " n"], given: Float[np.ndarray, " m"]) -> dict[str, float]:
    centred = wasserstein_distance(learned - learned.mean(), given - given.mean())
    return {
        name: float(wasserstein_distance(learned, given)),
        f"{name}_centred": float(centred),
        f"{name}_std": float(learned.std()),
    }


def _compare_classes(
    name: str, classes: Sequence[Float[np.ndarray, " _"]], given: Float[np.ndarray, " m"]
) -> dict[str, float]:
    distances = [(wasserstein_distance(each, given), each.std()) for each in classes if len(each) > 1]
    distance, std = np.mean(distances, axis=0) if distances else (np.nan, np.nan)
    return {f"{name}_in_class": float(distance), f"{name}_std_in_class": float(std)}
