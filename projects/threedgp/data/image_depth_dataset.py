"""Images with, optionally, a class label, a depth map, teacher features and a camera each."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from mmagic.registry import DATASETS
from mmengine.dataset import BaseDataset, force_full_init
from mmengine.dist import is_main_process
from mmengine.logging import print_log
from tqdm import tqdm

from ..ranges import Size
from ..rendering import CAMERA_FIELDS
from .drawn_index import chance_of
from .image_checks import check_image
from .images import EXTENSIONS, BadImageError, read_depth, read_image, shown
from .labels import LABEL_FILE, Labels, labels_of, read_label_file, storage_remark
from .listing import DEPTH_SUFFIX, evenly_spaced, list_files, shared_stems, stem_of
from .row_table import ABSENT, RowTable
from .table_origin import check_origin
from .transforms import build_step

NAMED_IN_REPORT = 20
SCAN_CHUNK = 128
SCAN_THREADS = 16
PROGRESS_FROM = 2000
TOLERATED_FAILURES = 10
TOLERATED_SHARE = 0.01
WITHOUT_DEPTH = "None has a depth map: model.generator.depth_adaptor=None trains without (use_depth=False)."

Problems = dict[int, str]


@DATASETS.register_module()
class ImageDepthDataset(BaseDataset):
    """Images in class folders (ImageNet's layout) or in any folder, nested or not.

    A sample has ``gt_path``; ``name``, the path relative to `data_root`; ``gt_label``, a list of
    one int, if `conditional`; ``depth_path`` if `use_depth`; ``teacher_feature``, float32 (d,),
    if `features`; and ``camera``, float32 (8,) = (yaw, pitch, roll, fov, radius, look-at yaw,
    look-at pitch, look-at radius), if `cameras`. The order is that of the sorted names.

    Files are scanned before training and every problem is reported at once. A file that fails
    later is replaced by another sample, with a warning that names it.

    Args:
        data_root: Folder of images (jpg, png, webp, tif, gif, avif, ... in any case).
        conditional: Take the label from `dataset.json` in `data_root` (StyleGAN's and EG3D's layout) or,
            without that file, the first folder level as the class. False: no labels.
        classes: Names of the classes in the order of their labels; default the numbers in `dataset.json`, or
            all folders that hold images, sorted. Also in ``metainfo["classes"]``.
        num_classes: What the labels must stay below; default the number of classes.
        use_depth: Whether every image has a depth map of its own size.
        depth_suffix: Ending of a depth map's name after the image's stem. Such files are never
            taken as images.
        depth_root: Folder of depth maps with the same sub-folders; default beside the image.
        features: ``.npy`` file of teacher features, see :class:`RowTable`; a relative path starts at
            `data_root`.
        cameras: ``.npy`` file of cameras with 8 columns, likewise.
        resolution: Side in pixels that :class:`FitSquare` brings images and depth to; None for theirs.
        max_images: Use that many images, spread evenly over the sorted names.
        on_bad: What to do about unusable images found before training: 'raise' or 'skip'.
        scan: Look into all files before training. Labels and table rows are always checked.
        pipeline: Transforms, or configs of them; see :func:`build_step`.
        test_mode: Replace an unreadable sample by the next one, not by a random one.
        **kwargs: See :class:`mmengine.dataset.BaseDataset`.

    Raises:
        FileNotFoundError: If `data_root`, `depth_root`, `features` or `cameras` does not exist.
        ValueError: If no image is found, an argument is invalid, or images are unusable.
    """

    def __init__(
        self,
        data_root: str,
        conditional: bool = True,
        classes: Sequence[str] | None = None,
        num_classes: Size | None = None,
        use_depth: bool = True,
        depth_suffix: str = DEPTH_SUFFIX,
        depth_root: str | None = None,
        features: str | None = None,
        cameras: str | None = None,
        resolution: Size | None = None,
        max_images: Size | None = None,
        on_bad: str = "raise",
        scan: bool = True,
        pipeline: Sequence[dict | Callable] = (),
        test_mode: bool = False,
        **kwargs: Any,
    ) -> None:
        self.conditional = conditional
        self.classes = None if classes is None else tuple(classes)
        self._num_classes = num_classes
        self.use_depth = use_depth
        self.depth_suffix = depth_suffix
        self.depth_root = os.path.expanduser(depth_root or data_root)
        self.resolution = resolution
        self.max_images = max_images
        self.on_bad = on_bad
        self.scan = scan
        # Shared, so that the main process sees what its loader workers count.
        self._drawn_and_failed = torch.zeros(2, dtype=torch.int64).share_memory_()
        data_root = os.path.expanduser(data_root)
        self._check_arguments(data_root, use_depth and depth_root is not None)
        features = os.path.join(data_root, features) if features else None
        cameras = os.path.join(data_root, cameras) if cameras else None
        self.features = RowTable(features, field="features") if features else None
        self.cameras = RowTable(cameras, len(CAMERA_FIELDS), "cameras") if cameras else None
        # The toolkit's registry finds its transforms whatever the current default scope is.
        steps = [build_step(step) for step in pipeline]
        super().__init__(data_root=data_root, pipeline=steps, test_mode=test_mode, **kwargs)

    def _check_arguments(self, data_root: str, has_depth_root: bool) -> None:
        if not os.path.isdir(data_root):
            raise FileNotFoundError(
                f"data_root={data_root!r}: folder does not exist; wanted a folder of images"
            )
        if has_depth_root and not os.path.isdir(self.depth_root):
            raise FileNotFoundError(
                f"depth_root={self.depth_root!r}: folder does not exist; wanted a folder of depth maps"
            )
        if self.on_bad not in ("raise", "skip"):
            raise ValueError(f"on_bad={self.on_bad!r}: wanted 'raise' or 'skip'")
        for name in ("max_images", "resolution"):
            value = getattr(self, name)
            if value is not None and not (isinstance(value, int) and value >= 1):
                raise ValueError(f"{name}={value!r}: wanted None or a whole number, at least 1")

    def load_data_list(self) -> list[dict[str, Any]]:
        """Find the images, give them labels and table rows, and scan their files."""
        names = self._find_images()
        if self.features is not None:
            check_origin(self.features, self.data_root, self.resolution)
        labels = self._find_labels(names) if self.conditional else None
        samples = [self._sample(name, labels) for name in evenly_spaced(names, self.max_images)]
        problems = self._depth_problems(samples, shared_stems(names))
        for key, table in (("feature_row", self.features), ("camera_row", self.cameras)):
            problems = {**self._assign_rows(samples, key, table), **problems}
        if labels is not None:
            problems = {**problems, **self._label_problems(samples, labels)}
        if self.scan:
            problems = {**self._scan_files(samples), **problems}
        return self._usable(samples, problems)

    def _find_images(self) -> Sequence[str]:
        files = list_files(self.data_root, self.depth_suffix)
        if not files.images:
            raise ValueError(
                f"data_root={self.data_root!r}: found no image, wanted files that end in "
                f"{', '.join(EXTENSIONS)}, in any sub-folder; found {files.summary()}"
            )
        print_log(f"{shown(self.data_root)}: {files.summary()}", logger="current")
        return files.images

    def _find_labels(self, names: Sequence[str]) -> Labels:
        label_file = read_label_file(self.data_root)
        labels = labels_of(names, self.classes, label_file)
        if not labels.classes:
            raise ValueError(
                f"data_root={self.data_root!r}: found images but no class folder and no {LABEL_FILE}; "
                "wanted <class>/<name>, or conditional=False"
            )
        if label_file is not None:
            print_log(label_file.remark(), logger="current")
        elif self.classes is None and (doubt := storage_remark(labels.classes)):
            text = f"data_root={self.data_root!r}: {doubt}; conditional=False trains without classes"
            print_log(text, logger="current", level=logging.WARNING)
        self.classes = self._metainfo["classes"] = labels.classes
        return labels

    def _sample(self, name: str, labels: Labels | None) -> dict[str, Any]:
        sample: dict[str, Any] = {"name": name, "gt_path": os.path.join(self.data_root, name)}
        if self.use_depth:
            sample["depth_path"] = os.path.join(self.depth_root, stem_of(name) + self.depth_suffix)
        if labels is not None:
            # A list, because the toolkit's metrics turn a bare int into a tensor of that length.
            sample["gt_label"] = [labels.of(name)]
        return sample

    def _label_problems(self, samples: Sequence[dict[str, Any]], labels: Labels) -> Problems:
        problems = {}
        for index, sample in enumerate(samples):
            label = sample["gt_label"][0]
            if label == ABSENT:
                problems[index] = labels.why_absent(sample["name"])
            elif label >= self.num_classes:
                problems[index] = f"has label {label}, wanted less than num_classes={self.num_classes}"
        return problems

    def _depth_problems(self, samples: Sequence[dict[str, Any]], shared: set[str]) -> Problems:
        if not self.use_depth:
            return {}
        return {
            index: "shares its depth map with an image that differs only in the extension; wanted other names"
            for index, sample in enumerate(samples)
            if stem_of(sample["name"]) in shared
        }

    @staticmethod
    def _assign_rows(samples: Sequence[dict[str, Any]], key: str, table: RowTable | None) -> Problems:
        if table is None:
            return {}
        rows = table.rows_of(sample["name"] for sample in samples)
        for sample, row in zip(samples, rows, strict=True):
            sample[key] = int(row)
        return {
            int(index): f"has no row in {table.field}={str(table.path)!r}"
            for index in np.flatnonzero(rows == ABSENT)
        }

    def _scan_files(self, samples: Sequence[dict[str, Any]]) -> Problems:
        # In chunks, as a future per file would cost more than the look into it.
        indices = range(len(samples))
        chunks = [indices[start : start + SCAN_CHUNK] for start in indices[::SCAN_CHUNK]]
        quiet = len(samples) < PROGRESS_FROM or not is_main_process()
        problems: Problems = {}
        with (
            ThreadPoolExecutor(SCAN_THREADS) as pool,
            tqdm(total=len(samples), desc="Scanning images", unit="img", disable=quiet) as progress,
        ):
            for found in pool.map(lambda chunk: _find_problems(samples, chunk), chunks):
                problems.update(found)
                progress.update(min(SCAN_CHUNK, len(samples) - progress.n))
        return problems

    def _usable(self, samples: list[dict[str, Any]], problems: Problems) -> list[dict[str, Any]]:
        if not problems:
            return samples
        report = self._report(samples, problems)
        if self.on_bad == "raise":
            raise ValueError(f"{report}\n{self._advice(samples)}")
        if len(problems) == len(samples):
            raise ValueError(f"{report}\nNo image is left.")
        print_log(f"Left out: {report}", logger="current", level=logging.WARNING)
        return [sample for index, sample in enumerate(samples) if index not in problems]

    def _advice(self, samples: Sequence[dict[str, Any]]) -> str:
        if self.use_depth and not any(os.path.exists(sample["depth_path"]) for sample in samples):
            return WITHOUT_DEPTH
        return "Repair them, or set on_bad='skip' to leave them out."

    def _report(self, samples: Sequence[dict[str, Any]], problems: Problems) -> str:
        lines = [f"data_root={self.data_root!r}: {len(problems)} of {len(samples)} images cannot be used"]
        for index in sorted(problems)[:NAMED_IN_REPORT]:
            lines.append(f"  {shown(samples[index]['name'])}: {shown(problems[index])}")
        if len(problems) > NAMED_IN_REPORT:
            lines.append(f"  ... and {len(problems) - NAMED_IN_REPORT} more")
        return "\n".join(lines)

    @force_full_init
    def get_data_info(self, idx: int) -> dict[str, Any]:
        """The `idx`-th sample before the pipeline, with its table rows read."""
        info = super().get_data_info(idx)
        if self.resolution is not None:
            info["resolution"] = self.resolution
        if self.features is not None:
            info["teacher_feature"] = self.features[info.pop("feature_row")]
        if self.cameras is not None:
            info["camera"] = self.cameras[info.pop("camera_row")]
        return info

    def prepare_data(self, idx: int) -> Any:
        """The `idx`-th sample after the pipeline, None (with a warning) if its files are broken.

        Raises:
            RuntimeError: If more than 1 % of the samples drawn, and more than 10, were broken.
        """
        info = self.get_data_info(idx)
        files = {key: info[key] for key in ("gt_path", "depth_path") if key in info}
        self._drawn_and_failed[0] += 1
        try:
            return self.pipeline(info)
        except Exception:
            problem = _file_problem(files, decode=True)
            if problem is None:
                raise
        self._record_failure(shown(f"{files['gt_path']}: {problem}"))
        return None

    def _record_failure(self, problem: str) -> None:
        self._drawn_and_failed[1] += 1
        drawn, failed = self._drawn_and_failed.tolist()
        print_log(
            f"Sample replaced by another one ({failed} of {drawn} so far): {problem}",
            logger="current",
            level=logging.WARNING,
        )
        if failed > TOLERATED_FAILURES and failed > TOLERATED_SHARE * drawn:
            raise RuntimeError(
                f"data_root={self.data_root!r}: {failed} of {drawn} samples drawn were not "
                f"readable, wanted at most {TOLERATED_SHARE:.0%}; the last one is {problem}"
            )

    def __getitem__(self, idx: int) -> Any:
        if not self._fully_initialized:
            self.full_init()
        with chance_of(idx):
            for _ in range(self.max_refetch + 1):
                data = self.prepare_data(idx)
                if data is not None:
                    return data
                idx = (idx + 1) % len(self) if self.test_mode else self._rand_another()
        raise RuntimeError(
            f"data_root={self.data_root!r}: no readable sample found in {self.max_refetch + 1} attempts"
        )

    @property
    def num_classes(self) -> int:
        """Number of classes, 0 if unconditional."""
        if not self.conditional:
            return 0
        return len(self.classes or ()) if self._num_classes is None else self._num_classes

    @property
    def num_failed(self) -> int:
        """Samples replaced so far because their files were broken, over all loader workers.

        Workers count without a lock, so a few of very many may be missing.
        """
        return int(self._drawn_and_failed[1])

    @force_full_init
    def get_cat_ids(self, idx: int) -> list[int]:
        """The label of the `idx`-th sample in a list, empty if unconditional."""
        return super().get_data_info(idx).get("gt_label", [])

    @force_full_init
    def label_distribution(self) -> Float[np.ndarray, " num_classes"]:
        """Share of each class among the images, float64, sums to 1; empty if unconditional."""
        labels = [label for idx in range(len(self)) for label in self.get_cat_ids(idx)]
        counts = np.bincount(np.array(labels, dtype=np.int64), minlength=self.num_classes)
        return counts / max(len(labels), 1)


def _find_problems(samples: Sequence[dict[str, Any]], indices: Iterable[int]) -> Problems:
    found = {index: _file_problem(samples[index]) for index in indices}
    return {index: problem for index, problem in found.items() if problem is not None}


def _file_problem(sample: dict[str, str], decode: bool = False) -> str | None:
    """What is wrong with the files of a sample; reads every pixel if `decode`."""
    subject = "image"
    try:
        image = check_image(sample["gt_path"])
        if decode:
            read_image(sample["gt_path"])
        if "depth_path" not in sample:
            return None
        subject = f"depth map {sample['depth_path']}"
        depth = check_image(sample["depth_path"], upright=False)
        if decode:
            read_depth(sample["depth_path"])
    except BadImageError as error:
        return f"{subject} {error}"
    except ValueError as error:  # of the depth map, which it names
        return str(error)
    if image.size != depth.size:
        return (
            f"{subject} is {depth.width}x{depth.height} pixels, its image is "
            f"{image.width}x{image.height}; wanted equal sizes"
        )
    return None
