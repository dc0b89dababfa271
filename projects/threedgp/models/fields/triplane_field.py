"""Tri-plane field: style codes to radiance fields of planes and a small MLP (docs/method.md, section 4)."""

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from typing import TYPE_CHECKING, cast

from jaxtyping import Float
from mmagic.registry import MODELS
from torch import Tensor, nn

from ...layers import EqualizedLinear, LowPrecision
from ...ranges import Count, Positive, Size
from ...rendering import mean_of_planes
from ...rendering.triplane import AXES, axis_numbers, plane_coordinates
from .triplane_decoder import TriPlaneDecoder

if TYPE_CHECKING:
    from ...rendering.fused_triplane import MLPWeights


BACKENDS = ("auto", "torch", "fused")


def check_backend(backend: str) -> None:
    """Refuse a backend that there is not, or not here.

    Raises:
        ValueError: If it is none of ``BACKENDS``, or there is no Triton for it.
    """
    if backend not in BACKENDS:
        raise ValueError(f"backend: got {backend!r}, wanted one of {BACKENDS}")
    if backend == "fused" and find_spec("triton") is None:
        raise ValueError("backend: got 'fused', wanted 'torch' or 'auto', since triton is not installed")


class TriPlaneMLP(nn.Module):
    """Features of points to colours (or other features) and raw densities.

    Args:
        feature_dim: Features of a plane.
        hidden_dim: Width of the hidden layer.
        squash: Bring colours to about [0, 1] with a sigmoid, as the mip marcher wants.
        out_channels: Colours, 3, or features of an upsampler.
        activation: Of the hidden layer, ``leaky_relu`` (3DGP) or ``softplus`` (EG3D).
        lr_multiplier: Factor on the learning rate.
    """

    def __init__(
        self,
        feature_dim: int,
        hidden_dim: int,
        squash: bool,
        out_channels: int = 3,
        activation: str = "leaky_relu",
        lr_multiplier: float = 1.0,
    ) -> None:
        super().__init__()
        self.hidden = EqualizedLinear(feature_dim, hidden_dim, activation, lr_multiplier)
        self.out = EqualizedLinear(hidden_dim, out_channels + 1, lr_multiplier=lr_multiplier)
        self.squash, self.out_channels, self.activation = squash, out_channels, activation

    @property
    def weights(self) -> "MLPWeights":
        """Its weights with all their gains, as the fused kernel wants them."""
        from ...rendering.fused_triplane import MLPWeights

        return MLPWeights(*self.hidden.scaled, *self.out.scaled)

    def forward(
        self, features: Float[Tensor, "n m f"]
    ) -> tuple[Float[Tensor, "n m c"], Float[Tensor, "n m 1"]]:
        """Return colours and raw densities."""
        return self.radiance(self.out(self.hidden(features)))

    def radiance(self, out: Float[Tensor, "n m o"]) -> tuple[Float[Tensor, "n m c"], Float[Tensor, "n m 1"]]:
        """Part what the last layer returns into colours and raw densities."""
        out, sigma = out.split([self.out_channels, 1], dim=-1)
        return (out.sigmoid() * 1.002 - 0.001 if self.squash else out), sigma


@dataclass(frozen=True)
class TriPlanes:
    """Radiance fields of a batch of objects.

    Args:
        planes: Feature planes, plane-major.
        mlp: What makes colours and raw densities of features.
        cube_scale: Half the side of the cube that the planes cover.
        axes: Axes of the planes, see ``sample_planes``.
        align_corners: Where the faces of the cube are, likewise.
        fused: Look up and multiply in one kernel, see ``fused_triplane``.
    """

    planes: Float[Tensor, "n planes_x_f p p"]
    mlp: nn.Module
    cube_scale: float
    axes: Sequence[str] = AXES
    align_corners: bool = True
    fused: bool = False

    def __call__(
        self, points: Float[Tensor, "n m 3"]
    ) -> tuple[Float[Tensor, "n m c"], Float[Tensor, "n m 1"]]:
        """Return colours and raw densities of world points."""
        if self.fused:
            from ...rendering.fused_triplane import fused_field

            places = plane_coordinates(points, self.cube_scale, self.axes)
            mlp = cast(TriPlaneMLP, self.mlp)
            out = fused_field(self.planes, places, mlp.weights, mlp.activation, self.align_corners)
            return mlp.radiance(out)
        return self.mlp(mean_of_planes(self.planes, points, self.cube_scale, self.axes, self.align_corners))

    def __len__(self) -> int:
        return len(self.planes)


@MODELS.register_module()
class TriPlaneField(nn.Module):
    """A tri-plane decoder and the MLP behind its planes; defaults are those of ImageNet-256.

    Args:
        w_dim: Width of a style code.
        resolution: Side of the planes, a power of two.
        feature_dim: Features of each plane.
        cbase: Channels times resolution.
        cmax: Most channels of a block.
        mlp_hidden_dim: Hidden width of the MLP.
        cube_scale: Half the side of the cube that the planes cover.
        out_channels: Colours, 3, or features of an upsampler.
        squash: Bring colours to about [0, 1] with a sigmoid; the generator sets it as its marcher wants.
        axes: Axes of the planes, see ``sample_planes``; EG3D's weights need ``("xy", "xz", "zx")``.
        align_corners: The faces of the cube are the centres of the border pixels, or else their outer edges.
        mlp_activation: Of the MLP's hidden layer, ``leaky_relu`` or ``softplus``.
        mlp_lr_multiplier: Factor on the MLP's learning rate.
        low_precision_blocks: Number of last blocks of the decoder that run in ``low_precision`` on a GPU.
        low_precision: ``bfloat16`` or ``float16``.
        low_precision_on_cpu: Run them so on a CPU as well.
        backend: How points are looked up: by operations of ``torch``; ``fused`` with the MLP behind it in
            one Triton kernel, for GPUs; ``auto`` is torch until the kernel has been measured on GPUs.

    Raises:
        ValueError: If an argument is wrong, or there is no Triton for ``fused``.
    """

    twice_differentiable = False
    """The look-up in its planes has no second derivative."""

    def __init__(
        self,
        w_dim: Size = 512,
        resolution: Size = 512,
        feature_dim: Size = 32,
        cbase: Size = 65536,
        cmax: Size = 1024,
        mlp_hidden_dim: Size = 64,
        cube_scale: Positive = 0.5,
        out_channels: Size = 3,
        squash: bool = False,
        axes: Sequence[str] = AXES,
        align_corners: bool = True,
        mlp_activation: str = "leaky_relu",
        mlp_lr_multiplier: Positive = 1.0,
        low_precision_blocks: Count = 0,
        low_precision: str = "bfloat16",
        low_precision_on_cpu: bool = False,
        backend: str = "auto",
    ) -> None:
        super().__init__()
        axis_numbers(axes)
        check_backend(backend)
        self.fused = backend == "fused"
        precision = LowPrecision(low_precision_blocks, low_precision, low_precision_on_cpu)
        self.decoder = TriPlaneDecoder(resolution, feature_dim, w_dim, cbase, cmax, precision)
        self.mlp = TriPlaneMLP(
            feature_dim, mlp_hidden_dim, squash, out_channels, mlp_activation, mlp_lr_multiplier
        )
        self.cube_scale, self.out_channels = cube_scale, out_channels
        self.axes, self.align_corners = tuple(axes), align_corners

    @property
    def num_ws(self) -> int:
        """Style codes needed."""
        return self.decoder.num_ws

    def radiance(self, planes: Float[Tensor, "n planes_x_f p p"]) -> TriPlanes:
        """Return the radiance fields that planes describe."""
        return TriPlanes(planes, self.mlp, self.cube_scale, self.axes, self.align_corners, self.fused)

    def forward(self, ws: Float[Tensor, "n l w"], noise_mode: str = "random") -> TriPlanes:
        """Decode style codes to radiance fields.

        Args:
            ws: One style code for each layer.
            noise_mode: ``random`` (training), ``const`` (the stored maps) or ``none``.
        """
        return self.radiance(self.decoder(ws, noise_mode))
