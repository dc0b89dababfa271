"""A controlled set of cameras: each class is photographed in a known way of its own.

The paper does that with rendered scans (Megascans). A class has one field of view, and cameras of its own
spread and height. Its solids do not turn, so that yaw is the camera's alone; and all classes are seen from
the front on average, since images leave the mean yaw of a class free.
"""

from collections.abc import Mapping

from .distributions import Distribution

# Class: field of view in degrees, deviation of the yaw, mean of the pitch, both in radians.
_TABLE = {
    "sphere": (18.0, 0.35, 1.15),
    "box": (21.0, 0.55, 1.0),
    "cylinder": (24.0, 0.25, 1.3),
    "cone": (27.0, 0.45, 1.2),
    "torus": (30.0, 0.2, 1.05),
    "sphere_on_box": (33.0, 0.5, 1.35),
    "cone_on_cylinder": (36.0, 0.3, 1.1),
    "box_on_cylinder": (39.0, 0.4, 1.25),
}

CONTROLLED: Mapping[str, Mapping[str, Distribution]] = {
    name: {
        "fov": Distribution("constant", (fov,)),
        "yaw": Distribution("normal", (0.0, yaw_std)),
        "pitch": Distribution("truncnorm", (pitch, 0.08, 0.8, 1.5)),
        "object_yaw": Distribution("constant", (0.0,)),
    }
    for name, (fov, yaw_std, pitch) in _TABLE.items()
}
"""Distributions of each class, by the names of ``ToySettings``."""
