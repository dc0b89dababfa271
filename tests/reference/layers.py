"""Layers in plain NumPy, float64, one sample at a time: written from the papers, not from our code.

``p`` is a dict of parameters by name everywhere; images are (channels, rows, columns).
"""

import math

import numpy as np

FILTER = np.outer([1, 3, 3, 1], [1, 3, 3, 1]) / 64
"""The resampling filter (StyleGAN2, Karras et al. 2020, appendix B)."""


def leaky_relu(x):
    """Leaky ReLU of slope 0.2 with gain sqrt(2) (StyleGAN, Karras et al. 2019, appendix C)."""
    return np.where(x > 0, x, 0.2 * x) * math.sqrt(2)


def softplus(x):
    """log(1 + e^x), safely."""
    return np.logaddexp(0, x)


def sigmoid(x):
    """1 / (1 + e^-x)."""
    return 1 / (1 + np.exp(-x))


def unit_moment(x):
    """Divide a vector by the root of its mean square (progressive GANs, Karras et al. 2018, section 4.2)."""
    return x / np.sqrt(np.mean(x**2) + 1e-8)


def fc(p, name, x, act=lambda x: x, multiplier=1.0):
    """Fully connected layer with equalised learning rate (progressive GANs, section 4.1)."""
    weight, bias = p[f"{name}.weight"], p[f"{name}.bias"]
    return act(multiplier / math.sqrt(len(x)) * weight @ x + multiplier * bias)


def correlate(x, kernel, stride=1):
    """Slide a kernel (out, in, k, k) over an image, without padding."""
    k = kernel.shape[-1]
    rows, columns = ((n - k) // stride + 1 for n in x.shape[1:])
    out = np.zeros((len(kernel), rows, columns))
    for i in range(k):
        for j in range(k):
            seen = x[:, i : i + stride * rows : stride, j : j + stride * columns : stride]
            out += np.tensordot(kernel[:, :, i, j], seen, axes=1)
    return out


def pad(x, before, after):
    """Zeros around an image."""
    return np.pad(x, ((0, 0), (before, after), (before, after)))


def smooth(x, before, after):
    """Pad, and filter each channel with [1, 3, 3, 1]."""
    return np.concatenate([correlate(pad(c[None], before, after), FILTER[None, None]) for c in x])


def insert_zeros(x):
    """Put a zero row and column after each."""
    out = np.zeros((len(x), 2 * x.shape[1], 2 * x.shape[2]))
    out[:, ::2, ::2] = x
    return out


def conv(p, name, x, act=lambda x: x, down=False, clamp=None, gain=1.0):
    """Convolution with equalised learning rate; ``down`` smooths and halves (StyleGAN2, section 4)."""
    kernel = p[f"{name}.weight"]
    _, inputs, k, _ = kernel.shape
    kernel = kernel / math.sqrt(inputs * k * k)
    if down:
        x = correlate(smooth(x, k // 2 + 1, (k - 1) // 2 + 1), kernel, stride=2)
    else:
        x = correlate(pad(x, k // 2, k // 2), kernel)
    if f"{name}.bias" in p:
        x = x + p[f"{name}.bias"][:, None, None]
    x = act(x) * gain
    return x if clamp is None else np.clip(x, -clamp * gain, clamp * gain)


def synthesis_layer(p, name, x, w, up=False):
    """Modulated convolution, noise, bias, activation (StyleGAN2, equations 1 to 3)."""
    style = fc(p, f"{name}.affine", w)
    kernel = p[f"{name}.weight"] * style[None, :, None, None]  # equation 1
    kernel = kernel / np.sqrt((kernel**2).sum(axis=(1, 2, 3), keepdims=True) + 1e-8)  # equation 3
    if up:  # a transposed convolution of stride 2 correlates with the flipped kernel
        spread = insert_zeros(x)[:, :-1, :-1]
        x = 4 * smooth(correlate(pad(spread, 2, 2), kernel[:, :, ::-1, ::-1]), 1, 1)
    else:
        x = correlate(pad(x, 1, 1), kernel)
    x = x + p[f"{name}.noise_const"] * p[f"{name}.noise_strength"]
    return leaky_relu(x + p[f"{name}.bias"][:, None, None])


def output_layer(p, name, x, w):
    """Modulated 1x1 convolution without demodulation (StyleGAN2, figure 2 and section 4.1)."""
    kernel = p[f"{name}.weight"]
    style = fc(p, f"{name}.affine", w) / math.sqrt(kernel.shape[1])
    return correlate(x, kernel * style[None, :, None, None]) + p[f"{name}.bias"][:, None, None]


def mapping(p, z, one_hot):
    """Mapping network of latent and class (StyleGAN2-ADA, Karras et al. 2020, appendix C)."""
    x = unit_moment(z)
    if len(one_hot):
        x = np.concatenate([x, unit_moment(fc(p, "mapping.embed", one_hot))])
    for name in numbered(p, "mapping.layers."):
        x = fc(p, name, x, leaky_relu, 0.01)
    return x


def code_mapping(p, name, x):
    """Mapping network of a condition, without a latent."""
    x = unit_moment(fc(p, f"{name}.embed", x))
    for layer in numbered(p, f"{name}.layers."):
        x = fc(p, layer, x, leaky_relu, 0.01)
    return x


def planes(p, ws):
    """Style codes to feature planes: skip generator (StyleGAN2, section 4.1; EG3D, Chan et al. 2022)."""
    codes, x, image = list(ws), None, None
    for block in numbered(p, "field.decoder.blocks."):
        if x is None:
            x = p[f"{block}.const"]
        else:
            x = synthesis_layer(p, f"{block}.conv0", x, codes.pop(0), up=True)
        x = synthesis_layer(p, f"{block}.conv1", x, codes.pop(0))
        out = output_layer(p, f"{block}.to_image", x, codes[0])
        image = out if image is None else 4 * smooth(insert_zeros(image), 2, 1) + out
    return image


def numbered(p, prefix):
    """Names of the layers ``prefix0``, ``prefix1``, ... that have parameters, in order."""
    numbers = {int(name.removeprefix(prefix).partition(".")[0]) for name in p if name.startswith(prefix)}
    return [f"{prefix}{number}" for number in sorted(numbers)]
