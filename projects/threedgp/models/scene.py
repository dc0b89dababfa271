"""Decoded objects, which can be seen from anywhere."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Protocol, runtime_checkable

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from ..rendering import Patch, Viewpoint
from .depth_adaptor import DepthAdaptor
from .sampling import Sampling
from .volume_renderer import VolumeRenderer


@runtime_checkable
class Radiance(Protocol):
    """Radiance fields of a batch of objects: what a field part decodes style codes to."""

    def __call__(
        self, points: Float[Tensor, "n m 3"]
    ) -> tuple[Float[Tensor, "n m c"], Float[Tensor, "n m 1"]]:
        """Return features and raw densities of world points."""

    def __len__(self) -> int: ...


@dataclass(frozen=True)
class Upsampled:
    """What an upsampler makes of rendered features.

    Args:
        rgb: Images.
        raw: The images as they were rendered, as a dual discriminator sees them; the first features, unless
            the upsampler changes them.
    """

    rgb: Float[Tensor, "n 3 h h"]
    raw: Float[Tensor, "n 3 s s"]


@runtime_checkable
class Upsampler(Protocol):
    """A part that makes images of rendered features; see ``ThreeDGPGenerator``."""

    num_ws: int
    """Style codes that it takes, behind those of the field."""

    def render_size(self, resolution: int, sampling: Sampling) -> int:
        """Return the side at which features are rendered for images of a side of ``resolution``."""

    def image_size(self, resolution: int, sampling: Sampling) -> int:
        """Return the side of the images, which is smaller than ``resolution`` where they still grow."""

    def __call__(
        self,
        features: Float[Tensor, "n c s s"],
        ws: Float[Tensor, "n l w"],
        resolution: int,
        sampling: Sampling,
    ) -> Upsampled:
        """Return images of a side of ``image_size``."""


@dataclass(frozen=True)
class Views:
    """What cameras see of a scene.

    Args:
        rgb: Colour, about [-1, 1], not clamped.
        depth: Rendered distance, world units: the geometry.
        adapted_depth: Depth as the discriminator sees it, about [-1, 1]; None without depth adaptor.
        camera: Cameras that were rendered.
        raw_rgb: Colour as it was rendered, before it was upsampled; None without upsampler.
        terms: Losses per sample that parts left in making the views, by name; part of the generator's loss.
        pixels: Where the outermost rays met the image, see ``patch_positions``.
    """

    rgb: Float[Tensor, "n 3 h w"]
    depth: Float[Tensor, "n 1 s s"]
    adapted_depth: Float[Tensor, "n 1 s s"] | None
    camera: Viewpoint
    raw_rgb: Float[Tensor, "n 3 s s"] | None = None
    terms: Mapping[str, Float[Tensor, " n"]] = field(default_factory=dict)
    pixels: str = "border"

    def as_large(self, depth: Float[Tensor, "n 1 s s"]) -> Float[Tensor, "n 1 h w"]:
        """Resize rendered depth to the size of the images, where these were upsampled."""
        size = self.rgb.shape[-2:]
        if depth.shape[-2:] == size:
            return depth
        return F.interpolate(depth, size, mode="bilinear", align_corners=self.pixels == "border")

    @property
    def full_depth(self) -> Float[Tensor, "n 1 h w"]:
        """The rendered distance in the size of the images."""
        return self.as_large(self.depth)

    @property
    def images(self) -> Float[Tensor, "n c h w"]:
        """What the discriminator sees: RGB, with the adapted depth as a fourth channel if there is one."""
        if self.adapted_depth is None:
            return self.rgb
        return torch.cat([self.rgb, self.as_large(self.adapted_depth)], dim=1)

    @property
    def raw(self) -> Float[Tensor, "n c s s"] | None:
        """What a dual discriminator sees besides: the same before it was upsampled."""
        if self.raw_rgb is None or self.adapted_depth is None:
            return self.raw_rgb
        return torch.cat([self.raw_rgb, self.adapted_depth], dim=1)


@runtime_checkable
class ViewTerm(Protocol):
    """A loss of the generator that training takes from a scene and its views."""

    def __call__(
        self, scene: "Scene", views: Views, patch: Patch | None, sampling: Sampling
    ) -> Mapping[str, Float[Tensor, " n"]]:
        """Return losses per sample by name."""


@dataclass(frozen=True)
class Scene:
    """Objects, decoded once, that can be rendered and asked for densities.

    Args:
        radiance: Their radiance fields.
        ws: Their style codes.
        image_size: Side of their images, unless asked otherwise.
        renderer: What renders them.
        upsampler: What makes images of rendered features; None where these are images.
        depth_adaptor: What makes of depth what an estimator might have said; None for none.
        view_terms: Losses that are taken of views in training.
    """

    radiance: Radiance
    ws: Float[Tensor, "n l w"]
    image_size: int
    renderer: VolumeRenderer
    upsampler: Upsampler | None = None
    depth_adaptor: DepthAdaptor | None = None
    view_terms: Iterable[ViewTerm] = ()

    @property
    def upsampler_ws(self) -> Float[Tensor, "n l w"]:
        """The style codes of the upsampler; none without one."""
        return self.ws[:, self.ws.shape[1] - (0 if self.upsampler is None else self.upsampler.num_ws) :]

    def __len__(self) -> int:
        return len(self.radiance)

    def query(self, points: Float[Tensor, "n m 3"]) -> tuple[Float[Tensor, "n m c"], Float[Tensor, "n m 1"]]:
        """Return features (colours, where there is no upsampler) and raw densities of world points."""
        return self.radiance(points)

    def density(self, points: Float[Tensor, "n m 3"]) -> Float[Tensor, "n m 1"]:
        """Return the densities of world points, per world unit."""
        return self.renderer.density(self.query(points)[1])

    def render(self, camera: Viewpoint, patch: Patch | None = None, sampling: Sampling = Sampling()) -> Views:
        """Render what cameras see.

        Args:
            camera: Cameras, used as they are: one for each object, or any number for a single one, for
                which the rays of all of them are those of one.
            patch: Parts of the image plane; None for all of it.
            sampling: How to sample; truncation and spatial noise have been used by then.
        """
        resolution = sampling.resolution or self.image_size
        side = resolution if self.upsampler is None else self.upsampler.render_size(resolution, sampling)
        rays = [x.reshape(len(self), -1, 3) for x in self.renderer.rays(camera, side, patch)]
        rendered = self.renderer(self.radiance, *rays, sampling)
        # A pixel's numbers lie side by side: this makes images of them that are channels-last.
        shape = len(camera), side, side, -1
        features, depth = (x.reshape(shape).permute(0, 3, 1, 2) for x in rendered)
        rgb, raw = features, None
        if self.upsampler is not None:
            ws = self.upsampler_ws.expand(len(camera), -1, -1)
            upsampled = self.upsampler(features, ws, resolution, sampling)
            rgb, raw = upsampled.rgb, upsampled.raw
        adapted = None
        if self.depth_adaptor is not None:
            adapted = self.depth_adaptor(depth, kimg=sampling.kimg, choice=sampling.depth_choice)
        views = Views(rgb, depth, adapted, camera, raw, pixels=self.renderer.pixels)
        if sampling.kimg is None:
            return views
        terms = [term(self, views, patch, sampling) for term in self.view_terms]
        return replace(views, terms={name: loss for term in terms for name, loss in term.items()})
