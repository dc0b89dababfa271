"""Prior distribution of cameras (docs/method.md, section 2)."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from jaxtyping import Float
from mmagic.registry import MODELS
from torch import Tensor, nn

from ...ranges import NonNegative, Number, Range, check_ranges
from ...rendering import CAMERA_FIELDS, PITCH_MARGIN, Camera
from ..building import Config, frozen

PITCHES = ("pitch", "look_at_pitch")
"""Camera fields that are angles from the +y axis."""
_BOUNDS = {"fov_deg": Range(0, 180), "radius": Range(0), "look_at_radius": Range(0)}
_FORMS = ("constant", "uniform", "normal", "truncnorm", "spherical_uniform")


@dataclass(frozen=True)
class Distribution:
    """One-dimensional distribution, sampled through its inverse cumulative function.

    Args:
        name: Camera field it is for, named in errors.
        dist: ``constant`` (``value``), ``uniform`` (``min``, ``max``), ``normal`` (``mean``, ``std``),
            ``truncnorm`` (all four), or ``spherical_uniform`` (``min``, ``max``): for a pitch, area-uniform
            on the sphere, arccos(1 - 2 v) with v uniform in [min, max] / pi; for a yaw the same as
            ``uniform``.
        value: The constant.
        min: Lower bound. Optional for ``normal``, where it only serves to normalise.
        max: Upper bound, likewise.
        mean: Mean before truncation.
        std: Standard deviation before truncation.

    Raises:
        ValueError: If a number is missing, ``min`` > ``max``, or a pitch lies outside [0, pi].
    """

    name: str
    dist: str
    value: Number | None = None
    min: Number | None = None
    max: Number | None = None
    mean: Number | None = None
    std: NonNegative | None = None

    def __post_init__(self) -> None:
        check_ranges(Distribution, vars(self), self.name)
        needs = {
            "constant": ("value",),
            "normal": ("mean", "std"),
            "truncnorm": ("mean", "std", "min", "max"),
        }.get(self.dist, ("min", "max"))
        if self.dist not in _FORMS:
            raise ValueError(f"{self.name}: got dist={self.dist!r}, wanted one of {_FORMS}")
        missing = [key for key in needs if getattr(self, key) is None]
        if missing:
            raise ValueError(f"{self.name}: a {self.dist} distribution also needs {missing}")
        if self.min is not None and self.max is not None and self.min > self.max:
            raise ValueError(f"{self.name}: got min={self.min} > max={self.max}, wanted min <= max")
        for bound in (self.value, self.min, self.max):
            if self.is_pitch and bound is not None and not 0 <= bound <= math.pi:
                raise ValueError(f"{self.name}: got {bound}, wanted pitches in [0, pi]")
            if bound is not None and bound not in (wanted := _BOUNDS.get(self.name, Range())):
                raise ValueError(f"{self.name}: got {bound}, wanted {wanted}")

    @property
    def is_pitch(self) -> bool:
        """Whether this is an angle from the +y axis, which lies in [0, pi]."""
        return self.name in PITCHES

    def _numbers(self, *names: str) -> tuple[float, ...]:
        """Return fields that the form needs, which ``__post_init__`` has made sure of."""
        return tuple(float(getattr(self, name)) for name in names)

    @property
    def bounds(self) -> tuple[float, float]:
        """Lower and upper bound.

        Raises:
            ValueError: If there are none (a normal distribution without ``min`` and ``max``).
        """
        if self.dist == "constant":
            (value,) = self._numbers("value")
            return value, value
        if self.min is None or self.max is None:
            raise ValueError(
                f"{self.name}: got a {self.dist} distribution without bounds, wanted min and max, "
                "which the camera generator needs to normalise with"
            )
        return float(self.min), float(self.max)

    @property
    def center(self) -> float:
        """Mean of a normal, middle of anything bounded."""
        if self.dist == "normal":
            (mean,) = self._numbers("mean")
            return mean
        low, high = self.bounds
        return (low + high) / 2

    def from_uniform(self, u: Float[Tensor, " n"]) -> Float[Tensor, " n"]:
        """Map uniform draws in (0, 1) to samples."""
        if self.dist == "normal":
            mean, std = self._numbers("mean", "std")
            return mean + std * torch.special.ndtri(u)
        low, high = self.bounds
        if self.dist == "constant":
            return torch.full_like(u, low)
        if self.dist == "truncnorm":
            mean, std = self._numbers("mean", "std")
            ends = (torch.tensor([low, high], dtype=u.dtype, device=u.device) - mean) / std
            cdf_low, cdf_high = torch.special.ndtr(ends)
            return (mean + std * torch.special.ndtri(cdf_low + u * (cdf_high - cdf_low))).clamp(low, high)
        scaled = low + u * (high - low)
        if self.dist == "spherical_uniform" and self.is_pitch:
            return torch.arccos(1 - 2 * scaled / math.pi)
        return scaled


Setting = float | Config
"""A constant, or the arguments of a ``Distribution`` but its name."""


@MODELS.register_module()
class CameraPrior(nn.Module):
    """Where photographers might stand, before anything is learned.

    Each argument is a number (constant) or a dict, see ``Distribution``. Defaults are the release's
    ``uniform`` prior, angles as it rounds them. Roll is always 0.

    Args:
        yaw: Radians.
        pitch: Radians from the +y axis; samples are kept 1e-5 inside (0, pi).
        fov_deg: Full field of view, degrees.
        radius: World units.
        look_at_yaw: Radians.
        look_at_pitch: Radians from the +y axis.
        look_at_radius: World units.
    """

    def __init__(
        self,
        yaw: Setting = frozen(dist="uniform", min=-1.57, max=1.57),
        pitch: Setting = frozen(dist="uniform", min=0.785398163, max=2.35619449),
        fov_deg: Setting = frozen(dist="uniform", min=10, max=45),
        radius: Setting = 1.0,
        look_at_yaw: Setting = frozen(dist="spherical_uniform", min=-3.14159265, max=3.14159265),
        look_at_pitch: Setting = frozen(dist="spherical_uniform", min=0, max=3.14159265),
        look_at_radius: Setting = frozen(dist="uniform", min=0, max=0.2),
    ) -> None:
        super().__init__()
        given: dict[str, Setting] = dict(
            yaw=yaw,
            pitch=pitch,
            roll=0.0,
            fov_deg=fov_deg,
            radius=radius,
            look_at_yaw=look_at_yaw,
            look_at_pitch=look_at_pitch,
            look_at_radius=look_at_radius,
        )
        self.distributions = {
            name: Distribution(name, **value)
            if isinstance(value, Mapping)
            else Distribution(name, "constant", value=value)
            for name, value in given.items()
        }

    def from_uniform(self, u: Float[Tensor, "n 8"]) -> Camera:
        """Map uniform draws, one for each of the 8 numbers, to cameras."""
        draws = dict(zip(CAMERA_FIELDS, u.unbind(dim=1), strict=True))
        fields = {name: self.distributions[name].from_uniform(draw) for name, draw in draws.items()}
        for name in PITCHES:
            fields[name] = fields[name].clamp(PITCH_MARGIN, math.pi - PITCH_MARGIN)
        return Camera.of(**fields)

    def sample(self, n: int, device: torch.device | str | None = None) -> Camera:
        """Draw n cameras."""
        tiny = torch.finfo(torch.float32).eps
        return self.from_uniform(torch.rand(n, 8, device=device).clamp(tiny, 1 - tiny))

    def mean(self, n: int = 1, device: torch.device | str | None = None) -> Camera:
        """Return n copies of the frontal camera: mean angles, fov and radius, looking at the origin."""
        at_origin = dict(look_at_yaw=0.0, look_at_pitch=math.pi / 2, look_at_radius=0.0)
        own = {name: self.distributions[name].center for name in CAMERA_FIELDS if name not in at_origin}
        centers = own | at_origin
        params = torch.tensor([centers[name] for name in CAMERA_FIELDS], device=device)
        return Camera(params.expand(n, 8))

    def forward(self, n: int) -> Camera:
        """Same as ``sample``."""
        return self.sample(n)
