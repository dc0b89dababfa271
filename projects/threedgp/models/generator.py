"""The 3DGP generator: style codes, planes, rendering, camera, depth (docs/method.md, sections 3 to 7)."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from jaxtyping import Float, Int
from mmagic.registry import MODELS
from torch import Tensor, nn

from ..layers import EqualizedLinear, Label, StyleMapping
from ..rendering import Camera, Patch, RayDraws, RayMarching, pixel_rays, render_rays, sample_planes
from ..rendering.volume_rendering import Field
from ..schedules import Linear, Schedule, build_schedule
from .building import Config, build, frozen
from .cameras.camera_generator import CameraGenerator
from .cameras.camera_prior import CameraPrior
from .depth_adaptor import DepthAdaptor
from .fields.triplane_decoder import TriPlaneDecoder, check_power_of_two


@dataclass(frozen=True)
class Sampling:
    """How one forward pass of the generator samples.

    Args:
        kimg: Training time in thousands of images; matters in training mode only.
        resolution: Pixels along a side; None for the patch size in training and the image size at test.
        truncation_psi: 1 for none; see ``StyleMapping.truncate``.
        truncation_cutoff: Truncate the first so many layers only.
        truncation_center: What to truncate towards; None for the running mean of w.
        noise_mode: Spatial noise, ``random``, ``const`` or ``none``; None for ``random`` unless
            deterministic.
        deterministic: Fixed places of the samples on rays and stored noise. None: only at test.
        marching: Replaces the generator's ray marching.
        draws: The random numbers of the rays; None draws them.
        depth_choice: Candidate of the depth adaptor per sample; None draws in training.
    """

    kimg: float = 0.0
    resolution: int | None = None
    truncation_psi: float = 1.0
    truncation_cutoff: int | None = None
    truncation_center: Float[Tensor, "n w"] | None = None
    noise_mode: str | None = None
    deterministic: bool | None = None
    marching: RayMarching | None = None
    draws: RayDraws | None = None
    depth_choice: Int[Tensor, " n"] | None = None


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
class Views:
    """What cameras see of feature planes.

    Args:
        rgb: Colour, about [-1, 1], not clamped.
        depth: Rendered distance, world units: the geometry.
        adapted_depth: Depth as the discriminator sees it, about [-1, 1]; None without depth adaptor.
        camera: Cameras that were rendered.
    """

    rgb: Float[Tensor, "n 3 h w"]
    depth: Float[Tensor, "n 1 h w"]
    adapted_depth: Float[Tensor, "n 1 h w"] | None
    camera: Camera

    @property
    def images(self) -> Float[Tensor, "n c h w"]:
        """What the discriminator sees: RGB, with the adapted depth as a fourth channel if there is one."""
        if self.adapted_depth is None:
            return self.rgb
        return torch.cat([self.rgb, self.adapted_depth], dim=1)


@dataclass(frozen=True)
class GeneratorOutput(Views):
    """What the generator made: views, and what is behind them.

    Args:
        ws: Style codes.
        batch_cameras: Posterior of the ``CameraBatch``, if there was one.
    """

    ws: Float[Tensor, "n l d"]
    batch_cameras: Camera | None = None


class TriPlaneMLP(nn.Module):
    """Features to colour and raw density.

    Args:
        feature_dim: Features of a plane.
        hidden_dim: Width of the hidden layer.
        squash: Bring colours to about [0, 1] with a sigmoid, as the mip marcher wants.
    """

    def __init__(self, feature_dim: int, hidden_dim: int, squash: bool) -> None:
        super().__init__()
        self.hidden = EqualizedLinear(feature_dim, hidden_dim, "leaky_relu")
        self.out = EqualizedLinear(hidden_dim, 4)
        self.squash = squash

    def forward(
        self, features: Float[Tensor, "n m f"]
    ) -> tuple[Float[Tensor, "n m 3"], Float[Tensor, "n m 1"]]:
        """Return colours and raw densities."""
        rgb, sigma = self.out(self.hidden(features)).split([3, 1], dim=-1)
        return (rgb.sigmoid() * 1.002 - 0.001 if self.squash else rgb), sigma


def in_chunks(field: Field, points_per_chunk: int) -> Field:
    """Return the same field, asked for at most so many points of a sample at a time."""

    def query(points: Tensor) -> tuple[Tensor, Tensor]:
        parts = [field(part) for part in points.split(points_per_chunk, dim=1)]
        rgb, sigma = (torch.cat(part, dim=1) for part in zip(*parts, strict=True))
        return rgb, sigma

    return query


@MODELS.register_module()
class ThreeDGPGenerator(nn.Module):
    """Class-conditional 3D generator; defaults are those of ImageNet-256.

    Args:
        image_size: Side of a full image.
        patch_size: Side of the patches rendered in training; None for whole images.
        num_classes: Number of classes; None for none.
        noise_size: Width of the latent z.
        w_dim: Width of a style code.
        mapping_layers: Layers of the mapping network.
        planes: Arguments of ``TriPlaneDecoder``.
        mlp_hidden_dim: Hidden width of the MLP behind the planes.
        cube_scale: Half the side of the cube that the planes cover.
        marching: Arguments of ``RayMarching``.
        density_noise: Standard deviation of the noise on raw densities in training, number or schedule.
        camera_prior: Config of the prior.
        camera_generator: Config of the camera generator; None renders prior cameras.
        depth_adaptor: Config of the depth adaptor; None for a model without depth supervision.
        rays_per_chunk: Most rays rendered at a time without gradients, which bounds the memory.
    """

    def __init__(
        self,
        image_size: int = 256,
        patch_size: int | None = 64,
        num_classes: int | None = 1000,
        noise_size: int = 512,
        w_dim: int = 512,
        mapping_layers: int = 2,
        planes: Config | None = None,
        mlp_hidden_dim: int = 64,
        cube_scale: float = 0.5,
        marching: Config | None = None,
        density_noise: Schedule = Linear(1.0, 0.0, over_kimg=5000),
        camera_prior: Config = frozen(type="CameraPrior"),
        camera_generator: Config | None = frozen(type="CameraGenerator"),
        depth_adaptor: Config | None = frozen(type="DepthAdaptor"),
        rays_per_chunk: int = 2**14,
    ) -> None:
        super().__init__()
        check_power_of_two("image_size", image_size, minimum=8)
        if patch_size is not None and patch_size > image_size:
            raise ValueError(f"patch_size: got {patch_size}, wanted at most image_size = {image_size}")
        self.image_size, self.patch_size = image_size, patch_size or image_size
        self.num_classes, self.noise_size = num_classes, noise_size
        self.cube_scale, self.rays_per_chunk = cube_scale, rays_per_chunk
        self.marching = RayMarching(**(marching or {}))
        self.density_noise = build_schedule(density_noise)
        self.mapping = StyleMapping(noise_size, num_classes, w_dim, mapping_layers)
        self.decoder = TriPlaneDecoder(w_dim=w_dim, **(planes or {}))
        feature_dim = self.decoder.feature_dim
        self.mlp = TriPlaneMLP(feature_dim, mlp_hidden_dim, squash=self.marching.marcher == "mip")
        self.prior: CameraPrior = build(camera_prior)
        self.camera_generator: CameraGenerator | None = build(
            camera_generator, prior=self.prior, z_dim=noise_size, num_classes=num_classes
        )
        near, far = self.depth_range
        self.depth_adaptor: DepthAdaptor | None = build(depth_adaptor, near=near, far=far)

    @property
    def out_channels(self) -> int:
        """Channels that the discriminator sees."""
        return 3 if self.depth_adaptor is None else 4

    @property
    def depth_range(self) -> tuple[float, float]:
        """Near and far plane of training, between which the scene is; world units."""
        return self.marching.near, self.marching.far

    def schedules(self, kimg: float) -> dict[str, float]:
        """Return the values of the schedules by name, with those of the parts."""
        own = {"density_noise": self.density_noise(kimg)}
        return own if self.depth_adaptor is None else own | self.depth_adaptor.schedules(kimg)

    def pose(self, prior: Camera, z: Float[Tensor, "n z"], label: Label | None = None) -> Camera:
        """Turn prior cameras into posterior ones (the same without camera generator)."""
        return prior if self.camera_generator is None else self.camera_generator(prior, z, label)

    def style(
        self, z: Float[Tensor, "n z"], label: Label | None = None, sampling: Sampling = Sampling()
    ) -> Float[Tensor, "n l w"]:
        """Map latents and labels to (truncated) style codes, one for each layer."""
        w = self.mapping(z, label)
        ws = w[:, None].expand(-1, self.decoder.num_ws, -1)
        if sampling.truncation_psi == 1:
            return ws
        return self.mapping.truncate(
            ws, sampling.truncation_psi, sampling.truncation_cutoff, sampling.truncation_center
        )

    def field(self, planes: Float[Tensor, "n planes_x_f p p"]) -> Field:
        """Return the radiance field that planes describe: points to colours and raw densities."""

        def query(points: Tensor) -> tuple[Tensor, Tensor]:
            return self.mlp(sample_planes(planes, points, self.cube_scale).mean(dim=1))

        return query

    def synthesize(
        self,
        ws: Float[Tensor, "n l w"],
        camera: Camera,
        patch: Patch | None = None,
        sampling: Sampling = Sampling(),
    ) -> GeneratorOutput:
        """Render style codes as these cameras see them: ``decode``, then ``render``.

        Args:
            ws: Style codes.
            camera: Cameras, used as they are.
            patch: Parts of the image plane; None for all of it.
            sampling: How to sample.
        """
        views = self.render(self.decode(ws, sampling), camera, patch, sampling)
        return GeneratorOutput(views.rgb, views.depth, views.adapted_depth, views.camera, ws)

    def decode(
        self, ws: Float[Tensor, "n l w"], sampling: Sampling = Sampling()
    ) -> Float[Tensor, "n planes_x_f p p"]:
        """Decode style codes to feature planes, which do not depend on the camera.

        Args:
            ws: Style codes.
            sampling: How to sample; only the spatial noise matters here.
        """
        noise_mode = sampling.noise_mode or ("const" if self._is_deterministic(sampling) else "random")
        return self.decoder(ws, noise_mode)

    def render(
        self,
        planes: Float[Tensor, "n planes_x_f p p"],
        camera: Camera,
        patch: Patch | None = None,
        sampling: Sampling = Sampling(),
    ) -> Views:
        """Render feature planes as these cameras see them.

        Args:
            planes: What ``decode`` made, one set for each camera.
            camera: Cameras, used as they are.
            patch: Parts of the image plane; None for all of it.
            sampling: How to sample.
        """
        resolution = sampling.resolution or (self.patch_size if self.training else self.image_size)
        origins, directions = pixel_rays(camera, resolution, patch)
        sampling = replace(sampling, deterministic=self._is_deterministic(sampling))
        rgb, depth = self._march(self.field(planes), origins, directions, sampling)
        rgb, depth = (x.mT.reshape(len(camera), -1, resolution, resolution) for x in (rgb, depth))
        adapted = None
        if self.depth_adaptor is not None:
            adapted = self.depth_adaptor(depth, kimg=sampling.kimg, choice=sampling.depth_choice)
        return Views(rgb, depth, adapted, camera)

    def _is_deterministic(self, sampling: Sampling) -> bool:
        return not self.training if sampling.deterministic is None else sampling.deterministic

    def _march(
        self, field: Field, origins: Tensor, directions: Tensor, sampling: Sampling
    ) -> tuple[Tensor, Tensor]:
        n, rays = origins.shape[:2]
        size = rays
        if not torch.is_grad_enabled():
            size = max(self.rays_per_chunk // n, 1)
            options = sampling.marching or self.marching
            if options.cut_quantile > 0:
                # The quantile is one of all rays: only the look-up of points is done in chunks.
                samples = options.num_coarse + options.num_fine
                field, size = in_chunks(field, size * samples), rays
        parts = []
        for start in range(0, rays, size):
            chunk = slice(start, start + size)
            parts.append(self._march_chunk(field, origins[:, chunk], directions[:, chunk], chunk, sampling))
        rgb, depth = (torch.cat(part, dim=1) for part in zip(*parts, strict=True))
        return rgb, depth

    def _march_chunk(
        self, field: Field, origins: Tensor, directions: Tensor, chunk: slice, sampling: Sampling
    ) -> tuple[Tensor, Tensor]:
        options = sampling.marching or self.marching
        if sampling.draws is not None:
            draws = sampling.draws[chunk]
        elif sampling.deterministic:
            draws = RayDraws.deterministic(origins, options)
        else:
            noise = self.density_noise(sampling.kimg) if self.training else 0.0
            draws = RayDraws.random(origins, options, noise)
        out = render_rays(field, origins, directions, options, draws)
        return out.rgb, out.depth

    def forward(
        self,
        noise: Float[Tensor, "n z"] | Callable | None = None,
        label: Label | None = None,
        num_batches: int = 1,
        camera: Camera | None = None,
        prior: Camera | None = None,
        patch: Patch | None = None,
        sampling: Sampling = Sampling(),
        camera_batch: CameraBatch | None = None,
        return_output: bool = False,
        return_noise: bool = False,
    ) -> Float[Tensor, "n 3 h w"] | GeneratorOutput | dict:
        """Generate images.

        Args:
            noise: Latents; None or a callable (of a shape) draws ``num_batches`` of them.
            label: Classes; ignored without classes.
            num_batches: Latents to draw.
            camera: Cameras to render as they are; None sends ``prior`` through the camera generator.
            prior: Prior cameras; None draws them.
            patch: Parts of the image plane to render; None for all of it.
            sampling: How to sample.
            camera_batch: More cameras to pass through the camera generator, for its regularisers.
            return_output: Return everything.
            return_noise: Return a dict in the toolkit's form, with ``fake_img``, ``noise_batch``, ``label``.

        Returns:
            RGB in about [-1, 1], or as asked.
        """
        device = self.mapping.w_avg.device
        if not isinstance(noise, Tensor):
            noise = (noise or torch.randn)((num_batches, self.noise_size)).to(device)
        ws = self.style(noise, label, sampling)
        if camera is None:
            prior = self.prior.sample(len(noise), device) if prior is None else prior
            camera = self.pose(prior, noise, label)
        output = self.synthesize(ws, camera, patch, sampling)
        if camera_batch is not None:
            cameras = self.pose(camera_batch.prior, camera_batch.z, camera_batch.label)
            output = replace(output, batch_cameras=cameras)
        if return_noise:
            return dict(fake_img=output.rgb, noise_batch=noise, label=label)
        return output if return_output else output.rgb
