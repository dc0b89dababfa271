"""How far the learned distribution of cameras is from a given one, field by field."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from mmagic.registry import METRICS
from scipy.stats import wasserstein_distance
from torch import nn
from torch.utils.data import Dataset

from ..ranges import Size
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


def load_classes(path: str, count: int) -> np.ndarray:
    """Load the class of each camera: the first folder of its image in the ``.txt`` file of the same name.

    Args:
        path: The file of the cameras.
        count: Number of cameras.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it has another number of lines, or one without a folder.
    """
    file = Path(path).expanduser().with_suffix(".txt")
    wanted = f"{count} lines <class>/<image>"
    if not file.is_file():
        raise FileNotFoundError(f"cameras: no file {str(file)!r}, wanted {wanted} for own_cameras")
    lines = file.read_text(encoding="utf-8").splitlines()
    if len(lines) != count or any("/" not in line for line in lines):
        raise ValueError(f"cameras: got {len(lines)} lines in {str(file)!r}, wanted {wanted}")
    return np.array([line.partition("/")[0] for line in lines])


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

    With ``own_cameras`` a class is compared with the given cameras of that class, as the file's neighbour
    ``.txt`` names them (lines ``<class>/<image>``); classes are counted in the order of their names. That
    adds ``<field>_of_<class>``, the distance of each class, and ``<field>_correlation`` between the classes'
    given and learned means: 1 if the model finds which classes have the larger field of view, though images
    leave its scale free. It says nothing where the given means hardly differ, and is nan where they do not.

    A sample differs from the distribution that it was drawn from: compare values of the same ``fake_nums``
    only, the more so within classes, among which they are divided.

    Args:
        cameras: File of the given cameras, see ``load_cameras``; of every class, but for ``own_cameras``.
        fields: Names out of ``CAMERA_FIELDS``; angles in radians, ``fov_deg`` in degrees.
        own_cameras: Whether each class has given cameras of its own.
        fake_nums: Posterior cameras, over all processes.
        sample_model: Which generator, ``ema`` or ``orig``.
        sample_kwargs: How to sample, see ``ThreeDGP.forward``; default posterior cameras.
        prefix: What comes before the slash of the names.
        collect_device: Where results of other processes go.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If a file holds something else, or a field is unknown.
    """

    name = "CameraDistance"
    default_prefix = "CameraDistance"
    needs = ("camera",)

    def __init__(
        self,
        cameras: str,
        fields: Sequence[str] = ("yaw", "pitch", "fov_deg"),
        own_cameras: bool = False,
        fake_nums: Size = 256,
        sample_model: str = "ema",
        sample_kwargs: Mapping | None = None,
        prefix: str | None = None,
        collect_device: str = "cpu",
    ) -> None:
        super().__init__(fake_nums, sample_model, sample_kwargs, prefix, collect_device)
        if isinstance(fields, str) or not fields or not set(fields) <= set(CAMERA_FIELDS):
            raise ValueError(f"fields: got {fields!r}, wanted a list out of {CAMERA_FIELDS}")
        self.cameras, self.fields = load_cameras(cameras), tuple(fields)
        self.classes = load_classes(cameras, len(self.cameras)) if own_cameras else None
        self.class_names = [] if self.classes is None else sorted(set(self.classes.tolist()))

    def check(self, model: nn.Module, dataset: Dataset, samples: Sequence[dict]) -> None:
        """Look for cameras in a first sample, and compare the classes with those of the data.

        Args:
            model: The model.
            dataset: The real images.
            samples: What the model makes.

        Raises:
            ValueError: If there are no cameras, or the classes are others.
        """
        super().check(model, dataset, samples)
        present = (getattr(dataset, "metainfo", None) or {}).get("classes")
        if self.classes is not None and self.class_names != list(present or ()):
            raise ValueError(
                f"cameras: got cameras of the classes {self.class_names}, wanted those of the data: "
                f"{list(present or ())}"
            )

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
        learned = {
            label: torch.stack(cameras).double().numpy() for label, cameras in by_class(results).items()
        }
        values: dict[str, float] = {}
        for name in self.fields:
            column = CAMERA_FIELDS.index(name)
            classes = [cameras[:, column] for cameras in learned.values()]
            given = [self._given(label)[:, column] for label in learned]
            values |= _compare(name, np.concatenate(classes), self.cameras[:, column])
            values |= _compare_classes(name, classes, given)
            if self.classes is not None:
                titles = [self.class_names[label] for label in learned]
                values |= _compare_each(name, titles, classes, given)
        return values

    def _given(self, label: int) -> Float[np.ndarray, "n 8"]:
        if self.classes is None:
            return self.cameras
        return self.cameras[self.classes == self.class_names[label]]


def _compare(name: str, learned: Float[np.ndarray, " n"], given: Float[np.ndarray, " m"]) -> dict[str, float]:
    centred = wasserstein_distance(learned - learned.mean(), given - given.mean())
    return {
        name: float(wasserstein_distance(learned, given)),
        f"{name}_centred": float(centred),
        f"{name}_std": float(learned.std()),
    }


def _compare_classes(
    name: str, classes: Sequence[Float[np.ndarray, " _"]], given: Sequence[Float[np.ndarray, " _"]]
) -> dict[str, float]:
    pairs = [pair for pair in zip(classes, given, strict=True) if len(pair[0]) > 1]
    distances = [(wasserstein_distance(each, own), each.std()) for each, own in pairs]
    distance, std = np.mean(distances, axis=0) if distances else (np.nan, np.nan)
    return {f"{name}_in_class": float(distance), f"{name}_std_in_class": float(std)}


def _compare_each(
    name: str,
    titles: Sequence[str],
    classes: Sequence[Float[np.ndarray, " _"]],
    given: Sequence[Float[np.ndarray, " _"]],
) -> dict[str, float]:
    pairs = list(zip(classes, given, strict=True))
    values = {
        f"{name}_of_{title}": float(wasserstein_distance(*pair))
        for title, pair in zip(titles, pairs, strict=True)
    }
    means = np.array([[own.mean(), each.mean()] for each, own in pairs]).T
    varies = bool((means.std(axis=1) > 1e-9).all())
    return {**values, f"{name}_correlation": float(np.corrcoef(means)[0, 1]) if varies else float("nan")}
