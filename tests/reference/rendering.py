"""Volume rendering in plain NumPy, one ray at a time.

Sections of the method are those of projects/threedgp/docs/method.md.
"""

import math
from itertools import pairwise

import numpy as np

from tests.reference.layers import conv, fc, leaky_relu, sigmoid, softplus

FAR_AWAY = 1e10


def bilinear(plane, x, y):
    """Look (x, y) in [-1, 1] up in (features, rows, columns): corners aligned, zeros outside."""
    features, rows, columns = plane.shape
    column, row = (x + 1) / 2 * (columns - 1), (y + 1) / 2 * (rows - 1)
    value = np.zeros(features)
    for i in (math.floor(row), math.floor(row) + 1):
        for j in (math.floor(column), math.floor(column) + 1):
            if 0 <= i < rows and 0 <= j < columns:
                value += plane[:, i, j] * (1 - abs(row - i)) * (1 - abs(column - j))
    return value


def radiance(p, planes, cube_scale, squash=False):
    """Field of a tri-plane: mean of three look-ups, then an MLP (EG3D, Chan et al. 2022, section 3.2)."""
    xy, xz, yz = np.split(planes, 3)

    def field(where):
        x, y, z = where / cube_scale
        features = (bilinear(xy, x, y) + bilinear(xz, x, z) + bilinear(yz, y, z)) / 3
        out = fc(p, "field.mlp.out", fc(p, "field.mlp.hidden", features, leaky_relu))
        return (sigmoid(out[:3]) * 1.002 - 0.001 if squash else out[:3]), out[3]

    return field


def stratified(u, mip=False):
    """One sample in each stratum of [0, 1] (NeRF, Mildenhall et al. 2020, equation 2)."""
    k = len(u)
    grid = [i / (k - 1) for i in range(k)]
    if mip:
        return np.array([g + draw / (k - 1) for g, draw in zip(grid, u, strict=True)])
    edges = [0.0] + [(a + b) / 2 for a, b in pairwise(grid)] + [1.0]
    pairs = zip(pairwise(edges), u, strict=True)
    return np.array([low + draw * (high - low) for (low, high), draw in pairs])


def intervals(where, colour, raw, options):
    """Where the pieces of a ray lie, their colour, density and length (classical or mip)."""
    gaps = list(np.diff(where))
    if options["marcher"] == "classical":
        last = FAR_AWAY if options["use_inf_depth"] else 1e-3
        return where, colour, softplus(raw), np.array([*gaps, last])
    middle = [(x[1:] + x[:-1]) / 2 for x in (where, colour, raw)]
    if options["use_inf_depth"]:
        middle = [np.concatenate([m, x[-1:]]) for m, x in zip(middle, (where, colour, raw), strict=True)]
        gaps.append(FAR_AWAY)
    return middle[0], middle[1], softplus(middle[2] + options["density_bias"]), np.array(gaps)


def march(where, colour, raw, options):
    """Quadrature of the volume rendering integral (NeRF, equation 3): colour, depth, weights, light left."""
    where, colour, density, lengths = intervals(where, colour, raw, options)
    light, weights = 1.0, []
    for length, value in zip(lengths, density, strict=True):
        alpha = 1 - math.exp(-length * value)
        weights.append(alpha * light)
        light *= 1 - alpha + 1e-10
    mip, rest = options["marcher"] == "mip", 1 - sum(weights)
    if options["last_back"] and not mip:
        weights[-1] += rest
    total = np.array(weights) @ colour
    if mip:
        total = 2 * (total + (rest if options["white_back"] else 0.0)) - 1
    return total, float(np.dot(weights, where)), np.array(weights), light


def smoothed(weights):
    """Widen a histogram of weights (mip-NeRF, Barron et al. 2021, equation 18), with 0.01 added."""
    padded = [-math.inf, *weights, -math.inf]
    largest = [max(a, b) for a, b in pairwise(padded)]
    return np.array([(a + b) / 2 for a, b in pairwise(largest)]) + 0.01


def importance(s, weights, u, mip=False):
    """Inverse transform sampling of the coarse weights (NeRF, equation 5 and section 5.2)."""
    edges = (s[1:] + s[:-1]) / 2
    mass = (smoothed(weights) if mip else weights + 1e-5)[1:-1] + 1e-5
    cdf = [0.0]
    for value in mass / mass.sum():
        cdf.append(cdf[-1] + value)
    found = []
    for draw in u:
        above = sum(value <= draw for value in cdf)
        below, above = max(above - 1, 0), min(above, len(mass))
        step = cdf[above] - cdf[below]
        part = (draw - cdf[below]) / (1.0 if step < 1e-5 else step)
        found.append(edges[below] + part * (edges[above] - edges[below]))
    return np.array(found)


def render(field, origin, direction, options, u, v, noise=None, fine=None):
    """Colour and depth of a ray: coarse pass in s, fine samples, one march over all in t (NeRF, section 5).

    ``fine`` gives the places of the fine samples, which have no gradient, instead of drawing them.
    """
    mip, near, length = options["marcher"] == "mip", options["near"], options["far"] - options["near"]

    def query(s, added):
        pairs = [field(origin + (near + each * length) * direction) for each in s]
        colour, raw = (np.array(x) for x in zip(*pairs, strict=True))
        return colour, raw + (0 if added is None else added)

    coarse_noise, fine_noise = noise if noise is not None else (None, None)
    s = stratified(u, mip)
    colour, raw = query(s, coarse_noise)
    _, _, weights, _ = march(s, colour, raw, options)
    if fine is None:
        fine = importance(s, weights, v, mip)
    more_colour, more_raw = query(fine, fine_noise)
    t = near + np.concatenate([s, fine]) * length
    order = np.argsort(t)
    colour, raw = np.concatenate([colour, more_colour])[order], np.concatenate([raw, more_raw])[order]
    return march(t[order], colour, raw, options), fine


def adapted_depths(p, depth, near, far, fraction):
    """Candidates of the depth adaptor for a map (1, rows, columns), most adapted last (method section 7)."""
    shifted = near + sigmoid(p["depth_adaptor.near_offset_logit"][0]) * fraction * (far - near)
    x = 2 * (depth - (far + shifted) / 2) / (far - shifted + 1e-12)
    maps = [x]
    count = sum(name.startswith("depth_adaptor.layers.") and name.endswith(".weight") for name in p)
    for index in range(count):
        x = conv(p, f"depth_adaptor.layers.{index}", x, leaky_relu)
        maps.append(conv(p, "depth_adaptor.head", x))
    return maps


def selection_probabilities(count, first):
    """Probabilities on a line through ``first`` that sum to 1 (method section 7)."""
    slope = 2 * (1 - count * first) / (count * (count - 1))
    return np.array([first + slope * i for i in range(count)])
