"""What keeps the camera generator from collapsing to one camera (docs/method.md, section 3).

Each regulariser is called with ``num_samples`` prior cameras, what the camera generator made of them, and
the prior's mean camera, and returns a scalar.
"""

from collections.abc import Mapping

import torch
from jaxtyping import Float
from mmagic.registry import MODELS
from torch import Tensor, nn

from ...ranges import NonNegative, NonNegativeSchedule, Positive, Size
from ...rendering import CAMERA_FIELDS, Camera
from ...schedules import Linear, build_schedule
from ..building import frozen


def squared_emd(a: Float[Tensor, "m d"], b: Float[Tensor, "m d"]) -> Float[Tensor, " d"]:
    """Squared-distance optimal transport between two samples, on each axis alone.

    In one dimension with equal weights the optimal plan matches sorted values.
    """
    return (a.sort(dim=0).values - b.sort(dim=0).values).square().mean(dim=0)


def _field_weights(weights: Mapping[str, float]) -> Tensor:
    unknown = sorted(set(weights) - set(CAMERA_FIELDS))
    if unknown:
        raise ValueError(f"weights: got {unknown}, wanted camera fields among {CAMERA_FIELDS}")
    return torch.tensor([float(weights.get(name, 0.0)) for name in CAMERA_FIELDS])


class CameraRegularizer(nn.Module):
    """What the training step asks of a regulariser besides the call."""

    num_samples: int
    ramp: Linear | None = None

    def schedules(self, kimg: float) -> dict[str, float]:
        """Return the values of the part's schedules by name."""
        return {} if self.ramp is None else {type(self).__name__: self.ramp(kimg)}


@MODELS.register_module()
class CameraEMDRegularizer(CameraRegularizer):
    """Squared transport distance between prior and posterior cameras, the release's regulariser.

    Args:
        weights: Weight of each camera field; fields left out weigh nothing.
        ramp: Factor on the loss, a number or a schedule.
        num_samples: Cameras of a sample.
    """

    weights: Tensor
    ramp: Linear

    def __init__(
        self,
        weights: Mapping[str, NonNegative] = frozen(
            yaw=2.0,
            pitch=2.0,
            fov_deg=1e-4,
            look_at_yaw=1e-4,
            look_at_pitch=1e-4,
            look_at_radius=1e-4,
        ),
        ramp: NonNegativeSchedule = Linear(0.0, 1.0, over_kimg=10_000),
        num_samples: Size = 64,
    ) -> None:
        super().__init__()
        self.register_buffer("weights", _field_weights(weights), persistent=False)
        self.ramp, self.num_samples = build_schedule(ramp), num_samples

    def forward(self, prior: Camera, posterior: Camera, mean: Camera, kimg: float) -> Float[Tensor, ""]:
        """Return the weighted sum of the transport costs."""
        costs = squared_emd(posterior.params, prior.params)
        return self.ramp(kimg) * (self.weights * costs).sum()


@MODELS.register_module()
class CameraSlopeRegularizer(CameraRegularizer):
    """|g| + 1 / |g| of each number's slope g = d posterior_i / d prior_i, the paper's regulariser.

    It is least (2) at |g| = 1, and forbids both collapse and blow-up.

    Args:
        weights: Weight of each camera field. The field has to be adjusted and not constant.
        ramp: Factor on the loss, a number or a schedule.
        num_samples: Cameras of a sample.
        eps: Added to the denominator.
    """

    weights: Tensor
    ramp: Linear

    def __init__(
        self,
        weights: Mapping[str, NonNegative] = frozen(yaw=1.0, pitch=1.0),
        ramp: NonNegativeSchedule = Linear(0.0, 1.0, over_kimg=10_000),
        num_samples: Size = 64,
        eps: Positive = 1e-4,
    ) -> None:
        super().__init__()
        self.register_buffer("weights", _field_weights(weights), persistent=False)
        self.ramp, self.num_samples, self.eps = build_schedule(ramp), num_samples, eps

    def forward(self, prior: Camera, posterior: Camera, mean: Camera, kimg: float) -> Float[Tensor, ""]:
        """Return the weighted mean over cameras; ``prior.params`` has to require gradients."""
        total = posterior.params.new_zeros(())
        for weight, name in zip(self.weights, CAMERA_FIELDS, strict=True):
            if weight:
                number = getattr(posterior, name).sum()
                (gradient,) = torch.autograd.grad(number, prior.params, create_graph=True)
                slope = getattr(Camera(gradient), name).abs()
                total = total + weight * (slope + 1 / (slope + self.eps)).mean()
        return self.ramp(kimg) * total


@MODELS.register_module()
class CameraMeanRegularizer(CameraRegularizer):
    """Distance of the posterior's mean angles to the prior's, which keeps the frontal view frontal.

    Args:
        weight: Weight.
        num_samples: Cameras of a sample.
    """

    def __init__(self, weight: NonNegative = 10.0, num_samples: Size = 256) -> None:
        super().__init__()
        self.weight, self.num_samples = weight, num_samples

    def forward(self, prior: Camera, posterior: Camera, mean: Camera, kimg: float) -> Float[Tensor, ""]:
        """Return weight times the Euclidean norm."""
        difference = posterior.angles.mean(dim=0) - mean.angles[0] + 1e-8
        return self.weight * difference.norm()
