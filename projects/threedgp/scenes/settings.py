"""Everything that defines a toy data set apart from its seed, size and resolution."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any

from .distributions import Distribution, parse_distribution

PI = math.pi


@dataclass(frozen=True)
class ToySettings:
    """Camera distributions, depth range and depth corruption of a toy data set.

    Args:
        fov: Full field of view in degrees, the same in both directions.
        yaw: Camera yaw in radians; 0 is on +z, larger moves towards -x.
        pitch: Camera pitch in radians, measured from +y; pi / 2 is the horizon.
        look_at_yaw: Yaw of the look-at point in radians.
        look_at_pitch: Pitch of the look-at point in radians.
        look_at_radius: Distance of the look-at point from the origin in world units.
        object_yaw: Turn of the solid about the vertical axis in radians.
        near: Distance along the unit ray that is stored as 0.
        far: Distance along the unit ray that is stored as 65535.
        failure_rate: Fraction of corrupted depth maps that show little more than a plane.
        inexactness: Factor on the errors of the others: bend of the values (its logarithm), moved content,
            blur and smooth error. With 0 scale and shift are lost, and some pixels saturate at either end.
        of_class: Distributions that a class has instead of those above, by its name and theirs.
    """

    fov: Distribution = field(default=Distribution("uniform", (15.0, 30.0)))
    yaw: Distribution = field(default=Distribution("normal", (0.0, 0.6)))
    pitch: Distribution = field(default=Distribution("truncnorm", (1.3, 0.12, 0.9, 1.5)))
    look_at_yaw: Distribution = field(default=Distribution("uniform", (-PI, PI)))
    look_at_pitch: Distribution = field(default=Distribution("uniform", (0.0, PI)))
    look_at_radius: Distribution = field(default=Distribution("constant", (0.0,)))
    object_yaw: Distribution = field(default=Distribution("uniform", (-PI, PI)))
    near: float = 0.75
    far: float = 1.25
    failure_rate: float = 0.05
    inexactness: float = 1.0
    of_class: Mapping[str, Mapping[str, Distribution]] = field(default_factory=dict)

    def of(self, class_name: str) -> "ToySettings":
        """Return the settings of one class."""
        return replace(self, **self.of_class.get(class_name, {}), of_class={})  # type: ignore[arg-type]

    def __post_init__(self) -> None:
        if not 0 < self.near < self.far:
            raise ValueError(f"near, far: got {self.near}, {self.far}, wanted 0 < near < far")
        if not 0 <= self.failure_rate <= 1:
            raise ValueError(f"failure_rate: got {self.failure_rate}, wanted a value in [0, 1]")
        if not 0 <= self.inexactness < math.inf:
            raise ValueError(f"inexactness: got {self.inexactness}, wanted a value of at least 0")

    def as_dict(self) -> dict[str, Any]:
        """Return the settings as plain values; distributions as their text form."""
        return {item.name: _plain(getattr(self, item.name)) for item in fields(self)}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "ToySettings":
        """Return the settings of ``as_dict`` or of a ``meta.json``; other entries are ignored.

        Data sets from before ``inexactness`` have 1, those from before ``of_class`` none.
        """
        values = {"inexactness": 1.0, "of_class": {}, **values}
        return cls(**{item.name: _parsed(values[item.name], item.name) for item in fields(cls)})


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: _plain(child) for name, child in value.items()}
    return str(value) if isinstance(value, Distribution) else value


def _parsed(value: Any, name: str) -> Any:
    if isinstance(value, Mapping):
        return {key: _parsed(child, f"{name}.{key}") for key, child in value.items()}
    return parse_distribution(value, name) if isinstance(value, str) else value
