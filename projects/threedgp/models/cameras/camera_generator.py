"""Camera generator: learns where the photographers stood (docs/method.md, section 3)."""

from collections.abc import Collection

import torch
from jaxtyping import Float
from mmagic.registry import MODELS
from torch import Tensor, nn

from ...layers import EqualizedLinear, Label, normalize_second_moment, one_hot_label
from ...ranges import Positive, Size
from ...rendering import CAMERA_FIELDS, PITCH_MARGIN, Camera
from ..building import Config, build
from .camera_prior import CameraPrior

_PARTS = {
    "angles": ("yaw", "pitch", "roll"),
    "fov": ("fov_deg",),
    "radius": ("radius",),
    "look_at": ("look_at_yaw", "look_at_pitch", "look_at_radius"),
}


class CameraNet(nn.Module):
    """Small MLP on camera numbers, conditioned on a latent and a label.

    Args:
        num_params: Camera numbers that come in.
        z_dim: Width of the latent; 0 for none.
        num_classes: Width of the one-hot label; 0 for none.
        hidden_dim: Width of the hidden layers.
        embed_dim: Width of the latent's and the label's embedding.
        lr_multiplier: Factor on the learning rate.
        num_out: Numbers that come out.
    """

    def __init__(
        self,
        num_params: int,
        z_dim: int,
        num_classes: int,
        hidden_dim: int,
        embed_dim: int,
        lr_multiplier: float,
        num_out: int = 4,
    ) -> None:
        super().__init__()

        def layer(i: int, o: int, activation: str = "softplus") -> EqualizedLinear:
            return EqualizedLinear(i, o, activation, lr_multiplier)

        self.project_params = layer(num_params, hidden_dim)
        self.project_z = layer(z_dim, embed_dim) if z_dim else None
        self.project_label = layer(num_classes, embed_dim) if num_classes else None
        joint = hidden_dim + embed_dim * (bool(z_dim) + bool(num_classes))
        self.hidden = layer(joint, hidden_dim)
        self.out = layer(hidden_dim, num_out, "linear")

    def forward(
        self,
        params: Float[Tensor, "n p"],
        z: Float[Tensor, "n z"] | None,
        one_hot: Float[Tensor, "n c"],
    ) -> Float[Tensor, "n o"]:
        """Map camera numbers to new ones."""
        parts = [self.project_params(params)]
        if self.project_z is not None:
            parts.append(normalize_second_moment(self.project_z(z)))
        if self.project_label is not None:
            parts.append(normalize_second_moment(self.project_label(one_hot)))
        return self.out(self.hidden(torch.cat(parts, dim=1)))


@MODELS.register_module()
class CameraGenerator(nn.Module):
    """Transform prior cameras into the learned distribution (the "posterior").

    The origin depends on the class only, the point looked at and the field of view on latent, class and
    the new origin. What is not adjusted passes from the prior unchanged.

    Args:
        prior: Prior whose bounds normalise the inputs and limit the outputs; config or module.
        z_dim: Width of the latent.
        num_classes: Number of classes; None for none.
        hidden_dim: Width of the hidden layers.
        embed_dim: Width of the latent's and the label's embedding.
        lr_multiplier: Factor on the learning rate.
        adjust: Parts that are learned, of ``angles``, ``radius``, ``fov``, ``look_at``.
        official_compat: Scale the look-at radius with the *look-at pitch* minimum in place of its own, as
            the release does. The same where both minima are 0, as in the default prior.
    """

    low: Tensor
    high: Tensor

    def __init__(
        self,
        prior: Config | CameraPrior | None = None,
        z_dim: Size = 512,
        num_classes: Size | None = 1000,
        hidden_dim: Size = 256,
        embed_dim: Size = 16,
        lr_multiplier: Positive = 0.1,
        adjust: Collection[str] = ("angles", "fov", "look_at"),
        official_compat: bool = False,
    ) -> None:
        super().__init__()
        unknown = sorted(set(adjust) - set(_PARTS))
        if unknown:
            raise ValueError(f"adjust: got {unknown}, wanted a subset of {sorted(_PARTS)}")
        if not isinstance(prior, CameraPrior):
            prior = build(prior) or CameraPrior()
        self.num_classes = num_classes
        self.origin_net = CameraNet(4, 0, num_classes or 0, hidden_dim, embed_dim, lr_multiplier)
        self.look_at_net = CameraNet(8, z_dim, num_classes or 0, hidden_dim, embed_dim, lr_multiplier)
        self.adjusted = [name for part in adjust for name in _PARTS[part]]
        self.least_look_at_radius = "look_at_pitch" if official_compat else "look_at_radius"
        bounds = torch.tensor([prior.distributions[name].bounds for name in CAMERA_FIELDS])
        self.register_buffer("low", bounds[:, 0], persistent=False)
        self.register_buffer("high", bounds[:, 1], persistent=False)

    def normalize(self, camera: Camera) -> Camera:
        """Bring all but roll and radius to [0, 1] with the prior's bounds."""
        unit = Camera((camera.params - self.low) / (self.high - self.low + 1e-8))
        return unit.replace(roll=camera.roll, radius=camera.radius)

    def denormalize(self, raw: Camera) -> Camera:
        """Squash network outputs into the prior's bounds; roll becomes 0, the radius stays raw."""
        low, high = Camera(self.low[None]), Camera(self.high[None])
        least = getattr(low, self.least_look_at_radius)
        # Only of the origin: a camera above a pole has no "up", but a point may lie there.
        low = low.replace(pitch=low.pitch + PITCH_MARGIN, look_at_radius=least)
        high = high.replace(pitch=high.pitch - PITCH_MARGIN)
        bounded = Camera(raw.params.sigmoid() * (high.params - low.params) + low.params)
        return bounded.replace(roll=torch.zeros_like(raw.roll), radius=raw.radius)

    def raw(self, prior: Camera, z: Float[Tensor, "n z"], label: Label | None) -> Camera:
        """Run both networks: the 8 numbers before they are squashed."""
        one_hot = one_hot_label(label, self.num_classes, len(prior)).to(z)
        unit = self.normalize(prior)
        origin = torch.stack([unit.yaw, unit.pitch, unit.roll, unit.radius], dim=1)
        yaw, pitch, roll, radius = self.origin_net(origin, None, one_hot).unbind(dim=1)
        moved = unit.replace(yaw=yaw, pitch=pitch, roll=roll, radius=radius)
        fov_deg, *look_at = self.look_at_net(moved.params, z, one_hot).unbind(dim=1)
        return moved.replace(fov_deg=fov_deg, **dict(zip(_PARTS["look_at"], look_at, strict=True)))

    def forward(self, prior: Camera, z: Float[Tensor, "n z"], label: Label | None = None) -> Camera:
        """Return posterior cameras.

        Args:
            prior: n prior cameras.
            z: Latents of the images that the cameras see.
            label: Their classes; ignored without classes.
        """
        learned = self.denormalize(self.raw(prior, z, label))
        return prior.replace(**{name: getattr(learned, name) for name in self.adjusted})
