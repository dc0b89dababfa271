"""Camera generator: learns where the photographers stood (docs/method.md, section 3)."""

from collections.abc import Collection

import torch
from jaxtyping import Float
from mmagic.registry import MODELS
from torch import Tensor, nn

from ...layers import EqualizedLinear, Label, normalize_second_moment, one_hot_label
from ...rendering import PITCH_MARGIN, Camera
from ..building import Config, build
from .camera_prior import CameraPrior

_PARTS = {"angles": (0, 1, 2), "fov": (3,), "radius": (4,), "look_at": (5, 6, 7)}
_NORMALIZED = (0, 1, 3, 5, 6, 7)
_RAW_RADIUS = 4


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
    look_at_radius_low: Tensor

    def __init__(
        self,
        prior: Config | CameraPrior | None = None,
        z_dim: int = 512,
        num_classes: int | None = 1000,
        hidden_dim: int = 256,
        embed_dim: int = 16,
        lr_multiplier: float = 0.1,
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
        self.adjusted = sorted(i for part in adjust for i in _PARTS[part])
        bounds = torch.tensor([d.bounds for d in prior.distributions.values()])
        self.register_buffer("low", bounds[:, 0], persistent=False)
        self.register_buffer("high", bounds[:, 1], persistent=False)
        radius_low = bounds[6, 0] if official_compat else bounds[7, 0]
        self.register_buffer("look_at_radius_low", radius_low, persistent=False)

    def normalize(self, params: Float[Tensor, "n 8"]) -> Float[Tensor, "n 8"]:
        """Bring all but roll and radius to [0, 1] with the prior's bounds."""
        unit = (params - self.low) / (self.high - self.low + 1e-8)
        columns = [unit[:, i] if i in _NORMALIZED else params[:, i] for i in range(8)]
        return torch.stack(columns, dim=1)

    def denormalize(self, raw: Float[Tensor, "n 8"]) -> Float[Tensor, "n 8"]:
        """Squash network outputs into the prior's bounds; roll becomes 0, the radius stays raw."""
        low, high = self.low.clone(), self.high.clone()
        # Only of the origin: a camera above a pole has no "up", but a point may lie there.
        low[1], high[1] = low[1] + PITCH_MARGIN, high[1] - PITCH_MARGIN
        low[7] = self.look_at_radius_low
        bounded = raw.sigmoid() * (high - low) + low
        columns = list(bounded.unbind(dim=1))
        columns[2] = torch.zeros_like(columns[2])
        columns[_RAW_RADIUS] = raw[:, _RAW_RADIUS]
        return torch.stack(columns, dim=1)

    def raw(self, prior: Camera, z: Float[Tensor, "n z"], label: Label | None) -> Float[Tensor, "n 8"]:
        """Run both networks: the 8 numbers before they are squashed."""
        one_hot = one_hot_label(label, self.num_classes, len(prior)).to(z)
        unit = self.normalize(prior.params)
        origin = self.origin_net(unit[:, [0, 1, 2, 4]], None, one_hot)
        yaw_pitch_roll, radius = origin[:, :3], origin[:, 3:]
        packed = torch.cat([yaw_pitch_roll, unit[:, 3:4], radius, unit[:, 5:]], dim=1)
        look_at = self.look_at_net(packed, z, one_hot)
        return torch.cat([yaw_pitch_roll, look_at[:, :1], radius, look_at[:, 1:]], dim=1)

    def forward(self, prior: Camera, z: Float[Tensor, "n z"], label: Label | None = None) -> Camera:
        """Return posterior cameras.

        Args:
            prior: n prior cameras.
            z: Latents of the images that the cameras see.
            label: Their classes; ignored without classes.
        """
        learned = self.denormalize(self.raw(prior, z, label))
        columns = [(learned if i in self.adjusted else prior.params)[:, i] for i in range(8)]
        return Camera(torch.stack(columns, dim=1))
