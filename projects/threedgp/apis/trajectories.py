"""Camera paths around a mean camera (docs/method.md, section 13).

Each path is a function ``(mean, num_frames, ...) -> Camera``. Frames are evenly spaced in time; the
paths swing around the mean camera and keep its radius and the point it looks at.
"""

import math
from collections.abc import Callable, Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from ..rendering import CAMERA_FIELDS, PITCH_MARGIN, Camera

_YAW, _PITCH, _FOV = (CAMERA_FIELDS.index(name) for name in ("yaw", "pitch", "fov_deg"))
_VIEWS = ((0.0, 0.0), (-0.5, 0.0), (0.5, 0.0), (0.0, -0.3), (0.0, 0.3))

Trajectory = Callable[..., Camera]


def _shifted(
    mean: Camera,
    num_frames: int,
    yaw: Float[Tensor, " f"] | float = 0.0,
    pitch: Float[Tensor, " f"] | float = 0.0,
    fov_deg: Float[Tensor, " f"] | float = 0.0,
) -> Camera:
    """Return ``num_frames`` copies of one camera, moved by these offsets."""
    if len(mean) != 1:
        raise ValueError(f"mean: got {len(mean)} cameras, wanted 1")
    params = mean.params.repeat(num_frames, 1)
    for column, offset in ((_YAW, yaw), (_PITCH, pitch), (_FOV, fov_deg)):
        params[:, column] += torch.as_tensor(offset, device=params.device, dtype=params.dtype)
    params[:, _PITCH].clamp_(PITCH_MARGIN, math.pi - PITCH_MARGIN)
    return Camera(params)


def _phase(num_frames: int) -> Float[Tensor, " f"]:
    """Angles of one turn; the frame after the last one would be the first."""
    return 2 * math.pi * torch.arange(num_frames) / num_frames


def front_circle(
    mean: Camera, num_frames: int, yaw: float = 0.5, pitch: float = 0.3, fov_deg: float = 1.0
) -> Camera:
    """Circle in front of the object, a closed loop.

    Args:
        mean: The camera (one) to circle around.
        num_frames: Length of the loop.
        yaw: Amplitude of the yaw's sine, radians.
        pitch: Amplitude of the pitch's cosine, radians.
        fov_deg: Amplitude of the field of view's sine, degrees.
    """
    phase = _phase(num_frames)
    return _shifted(mean, num_frames, yaw * phase.sin(), pitch * phase.cos(), fov_deg * phase.sin())


def line(mean: Camera, num_frames: int, yaw: float = 0.5) -> Camera:
    """Move once at even speed from yaw - ``yaw`` to yaw + ``yaw`` (radians)."""
    return _shifted(mean, num_frames, _sweep(yaw, num_frames))


def wiggle(mean: Camera, num_frames: int, yaw: float = 0.5, pitch: float = 0.3) -> Camera:
    """Move once from side to side, one sine of the pitch up and down on the way (radians)."""
    swing = pitch * torch.linspace(0, 2 * math.pi, num_frames).sin()
    return _shifted(mean, num_frames, _sweep(yaw, num_frames), swing)


def _sweep(amplitude: float, num_frames: int) -> Float[Tensor, " f"]:
    """Go from -amplitude to amplitude; a single frame is the middle one."""
    return amplitude * torch.linspace(-1, 1, num_frames) if num_frames > 1 else torch.zeros(1)


def point(mean: Camera, num_frames: int) -> Camera:
    """Stay at the mean camera."""
    return _shifted(mean, num_frames)


def points(mean: Camera, num_frames: int, views: Sequence[tuple[float, float]] = _VIEWS) -> Camera:
    """Stay at a few views in turn, each for the same time.

    Args:
        mean: The camera (one) that the views are relative to.
        num_frames: Frames of all views together.
        views: Offsets of yaw and pitch, radians. Default: front, both sides, above and below.
    """
    index = torch.arange(num_frames) * len(views) // num_frames
    offsets = torch.tensor(views)[index]
    return _shifted(mean, num_frames, offsets[:, 0], offsets[:, 1])


TRAJECTORIES: dict[str, Trajectory] = {
    path.__name__: path for path in (front_circle, line, point, points, wiggle)
}


def make_trajectory(name: str, mean: Camera, num_frames: int, **options: float) -> Camera:
    """Return the cameras of a trajectory by its name.

    Args:
        name: A key of ``TRAJECTORIES``.
        mean: The camera (one) it is around.
        num_frames: Cameras to return.
        **options: Its amplitudes.

    Raises:
        ValueError: If the name is unknown, or there are no frames.
    """
    if name not in TRAJECTORIES:
        raise ValueError(f"trajectory: got {name!r}, wanted one of {sorted(TRAJECTORIES)}")
    if num_frames < 1:
        raise ValueError(f"num_frames: got {num_frames}, wanted at least 1")
    return TRAJECTORIES[name](mean, num_frames, **options)
