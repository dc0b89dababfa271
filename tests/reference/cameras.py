"""Cameras, rays and the camera generator in plain NumPy, one camera at a time.

Sections of the method are those of projects/threedgp/docs/method.md.
"""

import math

import numpy as np

from tests.reference.layers import fc, sigmoid, softplus, unit_moment

PITCH_MARGIN = 1e-5


def point(yaw, pitch, radius):
    """Spherical coordinates to a point; +y is up, yaw 0 on the horizon is +z (method section 2)."""
    return radius * np.array(
        [math.sin(pitch) * math.sin(-yaw), math.cos(pitch), math.sin(pitch) * math.cos(yaw)]
    )


def frame(camera):
    """Right, up and backward of a camera that looks at its target, and its position (method section 2)."""
    position, target = point(*camera[[0, 1, 4]]), point(*camera[5:8])
    backward = (position - target) / np.linalg.norm(position - target)
    right = np.cross([0, 1, 0], backward)
    right = right / np.linalg.norm(right)
    return right, np.cross(backward, right), backward, position


def rays(camera, side, scale=1.0, offset=(0.0, 0.0)):
    """Origin and unit directions of a patch's pixels, row by row from the top (method section 2)."""
    right, up, backward, position = frame(camera)
    distance = 1 / math.tan(math.radians(camera[3]) / 2)
    directions = []
    for row in range(side):
        for column in range(side):
            x = scale * (2 * column / (side - 1)) - 1 + 2 * offset[0]
            y = scale * (2 - 2 * row / (side - 1)) - 1 + 2 * offset[1]
            ray = x * right + y * up - distance * backward
            directions.append(ray / np.linalg.norm(ray))
    return position, np.array(directions)


def net(p, name, params, conditions, multiplier):
    """One of the camera generator's networks (method section 3)."""

    def layer(part, x):
        return fc(p, f"{name}.{part}", x, softplus, multiplier)

    parts = [layer("project_params", params)]
    parts += [unit_moment(layer(f"project_{kind}", x)) for kind, x in conditions.items() if len(x)]
    return fc(p, f"{name}.out", layer("hidden", np.concatenate(parts)), multiplier=multiplier)


def posterior(p, camera, z, one_hot, low, high, adjusted, multiplier=0.1, official_compat=False):
    """Prior to posterior camera: origin from the class, target from latent and class (method section 3)."""
    unit = (camera - low) / (high - low + 1e-8)
    unit[[2, 4]] = camera[[2, 4]]
    yaw, pitch, roll, radius = net(
        p, "camera_generator.origin_net", unit[[0, 1, 2, 4]], dict(label=one_hot), multiplier
    )
    known = np.array([yaw, pitch, roll, unit[3], radius, *unit[5:]])
    fov, *target = net(p, "camera_generator.look_at_net", known, dict(z=z, label=one_hot), multiplier)
    raw = np.array([yaw, pitch, roll, fov, radius, *target])
    low, high = low.copy(), high.copy()
    low[1], high[1] = low[1] + PITCH_MARGIN, high[1] - PITCH_MARGIN
    if official_compat:
        low[7] = low[6]
    learned = low + sigmoid(raw) * (high - low)
    learned[2], learned[4] = 0.0, radius
    return np.array([learned[i] if i in adjusted else camera[i] for i in range(8)])
