"""The discriminator in plain NumPy.

Sections of the method are those of projects/threedgp/docs/method.md.
"""

import math

import numpy as np

from tests.reference.layers import code_mapping, conv, fc, leaky_relu, numbered
from tests.reference.rendering import bilinear


def embed_scalars(p, values):
    """Sines, cosines and a learned row for each number in [0, 1] (method section 8; NeRF, equation 4)."""
    parts = []
    for value in 1000 * np.asarray(values):
        angles = [value * math.pi * 2**i / 1024 for i in range(10)]
        parts += [np.sin(angles), np.cos(angles), p["scalar_encoder.table.weight"][round(value)]]
    return np.concatenate(parts)


def block(p, name, x, code, down, clamp):
    """Residual block whose second convolution is modulated by the patch (method section 8)."""
    skip = conv(p, f"{name}.skip", x, down=down, gain=math.sqrt(0.5))
    x = conv(p, f"{name}.conv0", x, leaky_relu, clamp=clamp)
    if code is not None:
        x = x * (1 + np.tanh(fc(p, f"{name}.affine", code)))[:, None, None]
    return conv(p, f"{name}.conv1", x, leaky_relu, down, clamp, math.sqrt(0.5)) + skip


def minibatch_std(maps, group):
    """Deviation within groups of samples n / group apart (progressive GANs, section 3)."""
    maps = np.asarray(maps)
    stride = len(maps) // group
    deviations = [np.sqrt(maps[i::stride].var(axis=0) + 1e-8).mean() for i in range(stride)]
    return [deviations[i % stride] for i in range(len(maps))]


def judge(p, images, one_hots, patches, group, num_same=0, clamp=256.0):
    """Logits and predicted features of a batch; the first blocks keep the resolution (method section 8)."""
    maps, conditions = [], []
    for image, one_hot, patch in zip(images, one_hots, patches, strict=True):
        condition, code = one_hot, None
        if patch is not None:
            embedding = embed_scalars(p, patch)
            condition, code = np.concatenate([one_hot, embedding]), code_mapping(p, "code_mapping", embedding)
        x = conv(p, "from_image", image, leaky_relu, clamp=clamp)
        for index, name in enumerate(numbered(p, "blocks.")):
            x = block(p, name, x, code, index >= num_same, clamp)
        maps.append(x)
        conditions.append(condition)
    heads = [
        _head(p, np.concatenate([x, np.full((1, *x.shape[1:]), std)]), condition, clamp)
        for x, std, condition in zip(maps, minibatch_std(maps, group), conditions, strict=True)
    ]
    logits, features = (np.array(x) for x in zip(*heads, strict=True))
    return logits, features


def _head(p, x, condition, clamp):
    """Projection on the condition's code (Miyato and Koyama 2018, equation 3), and the feature head."""
    x = conv(p, "epilogue.conv", x, leaky_relu, clamp=clamp).ravel()
    out = fc(p, "epilogue.out", fc(p, "epilogue.fc", x, leaky_relu))
    code = code_mapping(p, "epilogue.condition_mapping", condition)
    features = fc(p, "epilogue.feature_head.1", fc(p, "epilogue.feature_head.0", x, leaky_relu))
    return out @ code / math.sqrt(len(code)), features


def extract(image, side, scale, offset):
    """Resample a patch whose lower-left corner is the offset (method section 6)."""
    out = np.zeros((len(image), side, side))
    for row in range(side):
        for column in range(side):
            x = scale * (2 * column / (side - 1)) - 1 + 2 * offset[0]
            y = scale * (2 - 2 * row / (side - 1)) - 1 + 2 * offset[1]
            out[:, row, column] = bilinear(image, x, -y)
    return out
