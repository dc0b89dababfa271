"""The 3DGP generator: mapping, field, renderer, cameras and depth (docs/method.md, sections 3 to 7)."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, overload

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from mmagic.registry import MODELS
from torch import Tensor, nn

from ..layers import Label, check_power_of_two
from ..ranges import Count, Size
from ..rendering import Camera, Patch, PoseLabel, RayMarching, Viewpoint
from ..schedules import Level, build_level, schedule_values
from .building import Config, build, frozen
from .cameras.camera_generator import CameraGenerator
from .cameras.camera_prior import CameraPrior
from .depth_adaptor import DepthAdaptor
from .old_names import rename_old_tensors, with_old_keys
from .sampling import Sampling
from .scene import Scene, Views, ViewTerm
from .volume_renderer import VolumeRenderer


@dataclass(frozen=True)
class CameraBatch:
    """Prior cameras that go through the camera generator without being rendered.

    Args:
        prior: m prior cameras.
        z: Latents.
        label: Classes, None without classes.
    """

    prior: Camera
    z: Float[Tensor, "m z"]
    label: Label | None = None

    @classmethod
    def cat(cls, batches: list["CameraBatch"]) -> "CameraBatch | None":
        """Join batches; None if there are none."""
        if not batches:
            return None
        labels = [batch.label for batch in batches if batch.label is not None]
        return cls(
            Camera(torch.cat([batch.prior.params for batch in batches])),
            torch.cat([batch.z for batch in batches]),
            torch.cat(labels) if labels else None,
        )


@dataclass(frozen=True)
class Mixing:
    """Style mixing (Karras et al. 2019, section 3.1): style codes of a second latent from some layer on.

    Args:
        z: The second latents.
        first: The first layer that is given the second code, which may be behind the last.
    """

    z: Float[Tensor, "n z"]
    first: Int[Tensor, " n"]

    def __getitem__(self, index: Tensor) -> "Mixing":
        return Mixing(self.z[index], self.first[index])


@dataclass(frozen=True)
class GeneratorInput:
    """What images are generated of.

    Args:
        z: Latents.
        label: Classes; None (or ignored) without classes.
        camera: Cameras to render as they are; None sends ``prior`` through the camera generator.
        prior: Prior cameras, of which a ``PoseLabel`` is rendered as it is; None draws them.
        patch: Parts of the image plane to render; None for all of it.
        camera_batch: More cameras to pass through the camera generator, for its regularisers.
        mixing: Style mixing; None for none.
        conditioning: Poses that a mapping with ``pose_dim`` is told; None tells the cameras' own.
    """

    z: Float[Tensor, "n z"]
    label: Label | None = None
    camera: Viewpoint | None = None
    prior: Viewpoint | None = None
    patch: Patch | None = None
    camera_batch: CameraBatch | None = None
    mixing: "Mixing | None" = None
    conditioning: Float[Tensor, "n pose"] | None = None


@dataclass(frozen=True)
class GeneratorOutput(Views):
    """What the generator made: views, and what is behind them.

    Args:
        ws: Style codes.
        batch_cameras: Posterior of the ``CameraBatch``, if there was one.
    """

    ws: Float[Tensor, "n l d"] = field(kw_only=True)
    batch_cameras: Camera | None = None


@MODELS.register_module()
class ThreeDGPGenerator(nn.Module):
    """Class-conditional 3D generator of registered parts; defaults are those of ImageNet-256.

    A part's ``type`` may be left out where it is the default one. A field decodes style codes to a
    ``Radiance``; an upsampler, see ``Upsampler``, makes images of the features that the renderer returns.

    Args:
        image_size: Side of a full image.
        patch_size: Side of the patches rendered in training; None for whole images.
        num_classes: Number of classes; None for none.
        noise_size: Width of the latent z; of its numbers, a field with a ``latent_dim`` takes the last ones.
        mapping: Config of the mapping network.
        field: Config of the field.
        renderer: Config of the renderer.
        upsampler: Config of the upsampler; None where the renderer's features are images.
        camera_prior: Config of the prior.
        camera_generator: Config of the camera generator; None renders prior cameras.
        depth_adaptor: Config of the depth adaptor; None for a model without depth supervision.
        growing: Level of progressive growing as a schedule, for upsamplers that grow; None for all of it.
        view_terms: Configs of losses that training takes of a scene and its views, see ``ViewTerm``.
        **old: Arguments of before there were parts, see ``old_names``.
    """

    def __init__(
        self,
        image_size: Size = 256,
        patch_size: Size | None = 64,
        num_classes: Count | None = 1000,
        noise_size: Size = 512,
        mapping: Config = frozen(type="StyleMapping"),
        field: Config = frozen(type="TriPlaneField"),
        renderer: Config = frozen(type="VolumeRenderer"),
        upsampler: Config | None = None,
        camera_prior: Config = frozen(type="CameraPrior"),
        camera_generator: Config | None = frozen(type="CameraGenerator"),
        depth_adaptor: Config | None = frozen(type="DepthAdaptor"),
        growing: Level | None = None,
        view_terms: Sequence[Config] = (),
        **old: Any,
    ) -> None:
        super().__init__()
        check_power_of_two("image_size", image_size, minimum=8)
        if patch_size is not None and patch_size > image_size:
            raise ValueError(f"patch_size: got {patch_size}, wanted at most image_size = {image_size}")
        self.image_size, self.patch_size = image_size, patch_size or image_size
        self.num_classes, self.noise_size = num_classes, noise_size
        parts = with_old_keys(dict(mapping=mapping, field=field, renderer=renderer), old)
        known = dict(z_dim=noise_size, num_classes=num_classes)
        self.renderer: VolumeRenderer = build(dict(type="VolumeRenderer") | parts["renderer"])
        self.mapping = build(dict(type="StyleMapping") | parts["mapping"], **known)
        w_dim, unit = self.mapping.w_dim, self.marching.rule.unit_features
        self.field = build(dict(type="TriPlaneField") | parts["field"], w_dim=w_dim, squash=unit)
        self._check_latent_widths()
        self.upsampler = build(upsampler, in_channels=self.field.out_channels, w_dim=w_dim)
        self.prior: CameraPrior = build(camera_prior)
        self.camera_generator: CameraGenerator | None = build(camera_generator, prior=self.prior, **known)
        self.view_terms: list[ViewTerm] = [build(config) for config in view_terms]
        self.growing = None if growing is None else build_level(growing)
        near, far = self.depth_range
        self.depth_adaptor: DepthAdaptor | None = build(depth_adaptor, near=near, far=far)

    @property
    def latent_dim(self) -> int:
        """Width of the field's own latent, the last numbers of z; 0 for none."""
        return getattr(self.field, "latent_dim", 0)

    def _check_latent_widths(self) -> None:
        widths = self.mapping.z_dim, self.latent_dim
        if sum(widths) != self.noise_size:
            got = f"{self.noise_size}, {widths[0]}, {widths[1]}"
            raise ValueError(
                f"noise_size, mapping.z_dim, field.latent_dim: got {got}, wanted a sum and its parts"
            )
        if self.latent_dim > self.mapping.w_dim:
            raise ValueError(
                f"field.latent_dim: got {self.latent_dim}, wanted at most w_dim = {self.mapping.w_dim}"
            )

    @property
    def out_channels(self) -> int:
        """Channels that the discriminator sees."""
        return 3 if self.depth_adaptor is None else 4

    @property
    def num_ws(self) -> int:
        """Style codes of an image: those of the field, then those of the upsampler."""
        return self.field.num_ws + (0 if self.upsampler is None else self.upsampler.num_ws)

    @property
    def marching(self) -> RayMarching:
        """How rays are marched, unless a ``Sampling`` says otherwise."""
        return self.renderer.marching

    @property
    def depth_range(self) -> tuple[float, float]:
        """Near and far plane of training, between which the scene is; world units."""
        return self.marching.near, self.marching.far

    def schedules(self, kimg: float) -> dict[str, float]:
        """Return the values of the parts' schedules by name."""
        values = schedule_values([self.renderer, self.upsampler], kimg)
        if self.growing is not None:
            values = values | {"level": self.growing(kimg)}
        return values if self.depth_adaptor is None else values | self.depth_adaptor.schedules(kimg)

    def training_sampling(self, kimg: float) -> Sampling:
        """Return how a training step samples after ``kimg`` thousands of images."""
        level = None if self.growing is None else self.growing(kimg)
        return Sampling.training(kimg, self.patch_size, level)

    def seen_size(self, sampling: Sampling) -> int:
        """Return the side of the images or patches that are generated."""
        resolution = sampling.resolution or self.image_size
        return resolution if self.upsampler is None else self.upsampler.image_size(resolution, sampling)

    def pose(self, prior: Camera, z: Float[Tensor, "n z"], label: Label | None = None) -> Camera:
        """Turn prior cameras into posterior ones (the same without camera generator)."""
        return prior if self.camera_generator is None else self.camera_generator(prior, z, label)

    def raw_size(self, sampling: Sampling) -> int:
        """Return the side at which images are rendered, before they are upsampled."""
        resolution = sampling.resolution or self.image_size
        return resolution if self.upsampler is None else self.upsampler.render_size(resolution, sampling)

    def style(
        self,
        z: Float[Tensor, "n z"],
        label: Label | None = None,
        sampling: Sampling = Sampling(),
        mixing: Mixing | None = None,
        conditioning: Float[Tensor, "n pose"] | None = None,
    ) -> Float[Tensor, "n l w"]:
        """Map latents and labels to (truncated, mixed) style codes, one for each layer.

        Behind them, the field's own latent is handed on as it is, filled up with zeros.

        Args:
            z: Latents.
            label: Classes; ignored without classes.
            sampling: How to sample; only the truncation matters here.
            mixing: Style mixing; None for none.
            conditioning: Poses that a mapping with ``pose_dim`` is told; None tells it the frontal one.
        """
        told: dict[str, Any] = dict(label=label)
        if self.mapping.pose_dim:
            front = PoseLabel.of(self.prior.mean(len(z), z.device)).params
            told["pose"] = front if conditioning is None else conditioning
        z, latent = z.split([self.mapping.z_dim, self.latent_dim], dim=1)
        ws = self.mapping(z, **told)[:, None].expand(-1, self.num_ws, -1)
        if mixing is not None:
            second = torch.arange(self.num_ws, device=z.device) >= mixing.first[:, None]
            other = self.mapping(mixing.z[:, : self.mapping.z_dim], **told)
            ws = torch.where(second[..., None], other[:, None], ws)
        if sampling.truncation_psi != 1:
            ws = self.mapping.truncate(
                ws, sampling.truncation_psi, sampling.truncation_cutoff, sampling.truncation_center
            )
        if not self.latent_dim:
            return ws
        padded = F.pad(latent, (0, self.mapping.w_dim - self.latent_dim))
        return torch.cat([ws, padded[:, None]], dim=1)

    def scene(self, ws: Float[Tensor, "n l w"], sampling: Sampling = Sampling()) -> Scene:
        """Decode style codes to a scene, which does not depend on cameras.

        Args:
            ws: Style codes.
            sampling: How to sample; only the spatial noise matters here.
        """
        own: dict[str, Tensor] = {}
        if self.latent_dim:
            own, ws = dict(latent=ws[:, -1, : self.latent_dim]), ws[:, :-1]
        radiance = self.field(ws[:, : self.field.num_ws], sampling.spatial_noise, **own)
        return Scene(
            radiance,
            ws,
            self.image_size,
            self.renderer,
            self.upsampler,
            self.depth_adaptor,
            self.view_terms,
        )

    def generate(self, inputs: GeneratorInput, sampling: Sampling = Sampling()) -> GeneratorOutput:
        """Generate images: style codes, cameras, and the scene as these see it.

        Args:
            inputs: What to generate images of.
            sampling: How to sample.
        """
        place = inputs.prior if inputs.camera is None else inputs.camera
        if place is None:
            place = self.prior.sample(len(inputs.z), inputs.z.device)
        camera, told = place, inputs.conditioning
        if inputs.camera is None and isinstance(place, Camera):
            camera = self.pose(place, inputs.z, inputs.label)
        if self.mapping.pose_dim and told is None:
            told = PoseLabel.of(place).params
        ws = self.style(inputs.z, inputs.label, sampling, inputs.mixing, told)
        views = self.scene(ws, sampling).render(camera, inputs.patch, sampling)
        batch, posterior = inputs.camera_batch, None
        if batch is not None:
            posterior = self.pose(batch.prior, batch.z, batch.label)
        return GeneratorOutput(**vars(views), ws=ws, batch_cameras=posterior)

    @overload
    def forward(self, noise: GeneratorInput, *, sampling: Sampling | None = None) -> GeneratorOutput: ...

    @overload
    def forward(self, noise: GeneratorInput, *, sampling: Sampling | None = None, task: "Task") -> Tensor: ...

    @overload
    def forward(
        self,
        noise: Float[Tensor, "n z"] | Callable | None = None,
        label: Label | None = None,
        num_batches: int = 1,
        return_noise: Literal[False] = False,
        sampling: Sampling | None = None,
    ) -> Float[Tensor, "n 3 h w"]: ...

    @overload
    def forward(
        self,
        noise: Float[Tensor, "n z"] | Callable | None = None,
        label: Label | None = None,
        num_batches: int = 1,
        *,
        return_noise: Literal[True],
        sampling: Sampling | None = None,
    ) -> dict: ...

    def forward(
        self,
        noise: GeneratorInput | Float[Tensor, "n z"] | Callable | None = None,
        label: Label | None = None,
        num_batches: int = 1,
        return_noise: bool = False,
        sampling: Sampling | None = None,
        task: "Task | None" = None,
    ) -> GeneratorOutput | Tensor | dict:
        """Generate as the toolkit asks for it, or as ``generate`` does if given a ``GeneratorInput``.

        The latter is for training: a distributed wrapper averages only gradients of what went through its
        ``forward``.

        Args:
            noise: Latents; None or a callable (of a shape) draws ``num_batches`` of them. Or all inputs.
            label: Classes; ignored without classes.
            num_batches: Latents to draw.
            return_noise: Return a dict in the toolkit's form, with ``fake_img``, ``noise_batch``, ``label``.
            sampling: How to sample; None as a first training step does in training mode, and otherwise
                whole images, reproducibly.
            task: What to do with this generator and all inputs, instead of generating.

        Returns:
            RGB in about [-1, 1], or what was asked for.
        """
        if sampling is None:
            sampling = self.training_sampling(0.0) if self.training else Sampling()
        if isinstance(noise, GeneratorInput):
            return self.generate(noise, sampling) if task is None else task(self, noise, sampling)
        if not isinstance(noise, Tensor):
            noise = (noise or torch.randn)((num_batches, self.noise_size)).to(self.mapping.w_avg.device)
        rgb = self.generate(GeneratorInput(noise, label), sampling).rgb
        return dict(fake_img=rgb, noise_batch=noise, label=label) if return_noise else rgb

    def _load_from_state_dict(self, state_dict: dict, prefix: str, *args: Any, **kwargs: Any) -> None:
        rename_old_tensors(state_dict, prefix)
        super()._load_from_state_dict(state_dict, prefix, *args, **kwargs)


Task = Callable[[ThreeDGPGenerator, GeneratorInput, Sampling], Tensor]
"""Something else than images to ask of a generator: a loss of its own."""
