"""Images, orbits and interpolations of a trained model (docs/method.md, section 13)."""

from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Integer
from mmengine.config import Config
from torch import Tensor
from tqdm import tqdm

from ..engine.fixed_inputs import FixedInputs
from ..engine.pictures import to_bytes
from ..models.sampling import Sampling
from ..models.scene import Scene, Views
from ..rendering import Camera
from .loading import load_model
from .renderings import Rendering, RenderOptions
from .trajectories import make_trajectory

ClassLike = int | str | np.integer | Integer[Tensor, "..."] | Integer[np.ndarray, "..."]
"""A class by number or name; tensors and arrays hold one number."""
Labels = ClassLike | Sequence[ClassLike] | Integer[Tensor, " n"] | Integer[np.ndarray, " n"]
"""A class for all, or one for each."""
CLASS_MEAN_SAMPLES = 256


class ThreeDGPInferencer:
    """Renders a trained model. Everything is a function of the seeds.

    ``options`` of the methods are fields of ``RenderOptions``.

    Args:
        config: A config with a ``model``, or the path of one; or the path of a checkpoint (``.pth``), which
            knows its config. None for the config that the checkpoint knows.
        checkpoint: Path or URL of a checkpoint; None for an untrained model.
        device: Where to run; None for CUDA if there is one.
        sample_model: ``ema`` or ``orig``; None for ``ema`` if there is one. A checkpoint for sampling only
            (``tools/model_converters/slim.py``) holds the average alone, as ``orig``.

    Raises:
        FileNotFoundError: If the config or the checkpoint does not exist.
        ValueError: If the checkpoint does not fit the config, or there is no such ``sample_model``.
    """

    def __init__(
        self,
        config: str | Path | Config | None = None,
        checkpoint: str | Path | None = None,
        device: torch.device | str | None = None,
        sample_model: str | None = None,
    ) -> None:
        if checkpoint is None and isinstance(config, str | Path) and str(config).endswith(".pth"):
            config, checkpoint = None, config
        self.model, self.class_names = load_model(config, checkpoint, device)
        kinds = ("ema", "orig") if self.model.with_ema_gen else ("orig",)
        kind = sample_model or kinds[0]
        if kind not in kinds:
            raise ValueError(f"sample_model: got {kind!r}, wanted one of {kinds}")
        self.generator = self.model.generator_of(kind)
        self._class_means: dict[int | None, Float[Tensor, " w"]] = {}

    @property
    def device(self) -> torch.device:
        """Where the model is."""
        return self.model.device

    @property
    def depth_range(self) -> tuple[float, float]:
        """Near and far plane of training, between which the scene is."""
        return self.generator.depth_range

    @property
    def mean_camera(self) -> Camera:
        """The prior's frontal camera, which trajectories go around."""
        return self.generator.prior.mean(1, self.device)

    def class_name(self, label: int | None) -> str:
        """Return the name of a class, its number where names are unknown; empty without classes."""
        if label is None:
            return ""
        return self.class_names[label] if self.class_names else str(label)

    def class_id(self, label: ClassLike) -> int:
        """Return the number of a class given by number or name.

        Raises:
            ValueError: If there is no such class.
        """
        count = self.generator.num_classes or 0
        if self.class_names and isinstance(label, str) and label in self.class_names:
            return self.class_names.index(label)
        number = _as_number(label)
        if number is not None and 0 <= number < count:
            return number
        wanted = f"an integer in [0, {count})" if count else "None, as the model has no classes"
        if self.class_names:
            wanted += f" or one of {list(self.class_names[:5])}{' ...' if count > 5 else ''}"
        raise ValueError(f"label: got {label!r}, wanted {wanted}")

    def sample(
        self,
        num: int,
        labels: Labels | None = None,
        seed: int = 0,
        camera: Camera | None = None,
        **options: Any,
    ) -> list[Rendering]:
        """Render images.

        Args:
            num: Images; image i depends on ``seed + i`` alone.
            labels: A class for all, or one for each; None draws them as the data has them.
            seed: Of the first image.
            camera: Cameras (one, or ``num``) to render as they are; None draws them from the prior
                and sends them through the camera generator, as in training.
            **options: Fields of ``RenderOptions``.

        Raises:
            ValueError: If there is no such class, or the counts do not match.
        """
        chosen = RenderOptions(**options)
        draw = self._draw(range(seed, seed + num), labels)
        if camera is None:
            camera = self._pose(draw)
        elif len(camera) not in (1, num):
            raise ValueError(f"camera: got {len(camera)} cameras, wanted 1 or {num}")
        cameras = Camera(camera.to(self.device).params.expand(num, 8))
        ws = self._style(draw, chosen.truncation_psi)
        return list(self._render(ws, cameras, _as_list(draw), chosen, "Samples"))

    def scene(self, label: ClassLike | None = None, seed: int = 0, truncation_psi: float = 0.7) -> Scene:
        """Decode one object, to be rendered from anywhere and asked for densities.

        Args:
            label: Its class; None draws it, the same as ``sample`` does.
            seed: Which object.
            truncation_psi: 1 for the whole variety, 0 for the class mean.

        Raises:
            ValueError: If there is no such class.
        """
        return self._decode(self._style(self._draw([seed], label), truncation_psi))

    def orbit(
        self,
        label: ClassLike | None = None,
        seed: int = 0,
        trajectory: str | Camera = "front_circle",
        num_frames: int = 60,
        **options: Any,
    ) -> Iterator[Rendering]:
        """Render one object, which is decoded once, along a camera path, frame by frame.

        Args:
            label: Its class; None draws it, the same as ``sample`` does.
            seed: Which object.
            trajectory: A name in ``TRAJECTORIES``, around the mean camera; or the cameras.
            num_frames: Length, for a named trajectory.
            **options: Fields of ``RenderOptions``.

        Raises:
            ValueError: If there is no such class or trajectory.
        """
        chosen = RenderOptions(**options)
        cameras = self._path(trajectory, num_frames)
        draw = self._draw([seed], label)
        ws = self._style(draw, chosen.truncation_psi)
        return self._render(ws, cameras, _as_list(draw) * len(cameras), chosen, "Orbit")

    def interpolate(
        self,
        seed_a: int,
        seed_b: int,
        num_frames: int = 60,
        labels: Labels | None = None,
        trajectory: str | Camera = "point",
        **options: Any,
    ) -> Iterator[Rendering]:
        """Render the straight way between two objects in w space, ends included.

        Args:
            seed_a: The first object.
            seed_b: The last one.
            num_frames: Images.
            labels: A class for both, or one for each; None draws them.
            trajectory: A name in ``TRAJECTORIES``; or ``num_frames`` cameras.
            **options: Fields of ``RenderOptions``.

        Raises:
            ValueError: If there is no such class or trajectory, or the counts do not match.
        """
        chosen = RenderOptions(**options)
        cameras = self._path(trajectory, num_frames)
        if len(cameras) != num_frames:
            raise ValueError(f"trajectory: got {len(cameras)} cameras, wanted {num_frames}")
        draw = self._draw([seed_a, seed_b], labels)
        ends = self._style(draw, chosen.truncation_psi)
        way = torch.linspace(0, 1, num_frames, device=self.device)[:, None, None]
        first, last = _as_list(draw)
        nearest = [first if 2 * i < num_frames else last for i in range(num_frames)]
        return self._render(ends[:1].lerp(ends[1:], way), cameras, nearest, chosen, "Interpolation")

    def _path(self, trajectory: str | Camera, num_frames: int) -> Camera:
        if isinstance(trajectory, Camera):
            return trajectory.to(self.device)
        return make_trajectory(trajectory, self.mean_camera, num_frames)

    def _draw(self, seeds: Sequence[int], labels: Labels | None) -> FixedInputs:
        """Draw each image from its own seed, on the CPU: neither batch nor device matters."""
        if not seeds:
            raise ValueError("num: got 0, wanted at least 1")
        given = self._given_labels(labels, len(seeds))
        frequencies = self.model.label_distribution.cpu()
        z, label, uniform = [], [], []
        for seed, known in zip(seeds, given, strict=True):
            rng = torch.Generator().manual_seed(seed)
            z.append(torch.randn(self.generator.noise_size, generator=rng))
            uniform.append(torch.rand(8, generator=rng).clamp(1e-7, 1 - 1e-7))
            drawn = int(torch.multinomial(frequencies, 1, generator=rng))
            label.append(drawn if known is None else known)
        classes = torch.tensor(label, device=self.device) if self.generator.num_classes else None
        prior = self.generator.prior.from_uniform(torch.stack(uniform))
        return FixedInputs(torch.stack(z).to(self.device), classes, prior.to(self.device))

    def _given_labels(self, labels: Labels | None, num: int) -> list[int | None]:
        if labels is None:
            return [None] * num
        each = _as_labels(labels)
        if len(each) == 1:
            each = each * num
        if len(each) != num:
            raise ValueError(f"labels: got {len(each)}, wanted 1 or {num}")
        return [self.class_id(label) for label in each]

    @torch.no_grad()
    def _pose(self, draw: FixedInputs) -> Camera:
        return self.generator.pose(draw.prior, draw.z, draw.label)

    @torch.no_grad()
    def _style(self, draw: FixedInputs, psi: float) -> Float[Tensor, "n l w"]:
        centers = torch.stack([self.class_mean(label) for label in _as_list(draw)])
        sampling = Sampling(truncation_psi=psi, truncation_center=centers)
        return self.generator.style(draw.z, draw.label, sampling)

    @torch.no_grad()
    def class_mean(self, label: int | None) -> Float[Tensor, " w"]:
        """Return the mean style code of a class over 256 latents; of everything without classes."""
        if label not in self._class_means:
            n, rng = CLASS_MEAN_SAMPLES, torch.Generator().manual_seed(0)
            z = torch.randn(n, self.generator.mapping.z_dim, generator=rng).to(self.device)
            classes = None if label is None else torch.full((n,), label, device=self.device)
            self._class_means[label] = self.generator.style(z, classes)[:, 0].mean(dim=0)
        return self._class_means[label]

    def _render(
        self,
        ws: Float[Tensor, "m l w"],
        cameras: Camera,
        labels: list[int | None],
        options: RenderOptions,
        title: str,
    ) -> Iterator[Rendering]:
        """Render batch by batch, as the caller asks for images; one ``ws`` serves all cameras."""
        marching, level = options.marching(self.generator.marching), self.model.sampler.level
        sampling = Sampling(resolution=options.resolution, marching=marching, level=level)
        progress = partial(tqdm, desc=title, unit="img", disable=not options.progress)
        shared = self._decode(ws) if len(ws) == 1 else None
        with progress(total=len(cameras)) as bar:
            for start in range(0, len(cameras), options.batch_size):
                part = slice(start, start + options.batch_size)
                scene = self._decode(ws[part]) if shared is None else shared
                for rendering in self._see(scene, cameras[part], labels[part], sampling):
                    bar.update()
                    yield rendering

    @torch.no_grad()
    def _decode(self, ws: Float[Tensor, "m l w"]) -> Scene:
        return self.generator.scene(ws)

    @torch.no_grad()
    def _see(
        self, scene: Scene, cameras: Camera, labels: list[int | None], sampling: Sampling
    ) -> list[Rendering]:
        """Render a scene: one object for each camera or one for all."""
        views = scene.render(cameras, sampling=sampling)
        rgb = to_bytes(views.rgb)
        depth = views.full_depth[:, 0].cpu().numpy()
        adapted = self._adapt(views)
        renderings = []
        for i, label in enumerate(labels):
            own = None if adapted is None else adapted[i]
            renderings.append(Rendering(rgb[i], depth[i], own, label, cameras[i : i + 1].to("cpu")))
        return renderings

    def _adapt(self, views: Views) -> Float[np.ndarray, "n h w"] | None:
        """Adapt the depth within the range that the adaptor knows, wherever rays end now."""
        if self.generator.depth_adaptor is None:
            return None
        known = views.depth.clamp(*self.depth_range)
        return views.as_large(self.generator.depth_adaptor(known))[:, 0].cpu().numpy()


def _as_list(draw: FixedInputs) -> list[int | None]:
    return [None] * len(draw) if draw.label is None else draw.label.tolist()


def _as_labels(labels: Labels) -> list[ClassLike]:
    """One label or several, as a list."""
    if isinstance(labels, Tensor | np.ndarray):
        return list(labels.reshape(-1))
    return list(labels) if isinstance(labels, Sequence) and not isinstance(labels, str) else [labels]


def _as_number(label: ClassLike) -> int | None:
    """The number that a label is or spells; None if it is none."""
    if isinstance(label, str):
        return int(label) if label.isdecimal() else None
    values = np.asarray(label)
    return int(values.item()) if values.size == 1 and values.dtype.kind in "iu" else None
