"""Losses, schedules and optimisation in plain NumPy.

Sections of the method are those of projects/threedgp/docs/method.md.
"""

import math

import numpy as np
from scipy.optimize import linear_sum_assignment

from tests.reference.layers import softplus


def generator_loss(fake):
    """Non-saturating logistic loss (Goodfellow et al. 2014, section 3)."""
    return softplus(-fake)


def discriminator_loss(fake, real):
    """Logistic loss (Goodfellow et al. 2014, equation 1)."""
    return softplus(fake) + softplus(-real)


def hinge_discriminator_loss(fake, real):
    """Hinge loss (Lim and Ye 2017, section 2)."""
    return np.maximum(0, 1 + fake) + np.maximum(0, 1 - real)


def distillation(predicted, target, scales):
    """Euclidean distance, weighted by how much of the image a patch shows (method section 9)."""
    return np.sqrt(((predicted - target) ** 2).sum(axis=1)) * scales / scales.mean()


def distillation_kl(predicted, target):
    """KL(softmax(target) || softmax(predicted)) per sample (method section 9)."""
    p, q = (np.exp(x) / np.exp(x).sum(axis=1, keepdims=True) for x in (target, predicted))
    return (p * np.log(p / q)).sum(axis=1)


def transport_cost(a, b):
    """Squared-distance optimal transport of two samples, by solving the assignment (method section 3)."""
    costs = (a[:, None] - b[None]) ** 2
    return costs[linear_sum_assignment(costs)].mean()


def camera_emd(prior, posterior, weights, ramp):
    """Weighted transport costs of each camera parameter (method section 3)."""
    return ramp * sum(w * transport_cost(posterior[:, i], prior[:, i]) for i, w in weights.items())


def camera_mean(posterior, mean_angles, weight):
    """Distance of the mean angles to the prior's (method section 3)."""
    return weight * np.linalg.norm(posterior[:, :3].mean(axis=0) - mean_angles + 1e-8)


def slope_penalty(slope, eps=1e-4):
    """|g| + 1 / |g| (3DGP, the camera regulariser of the paper; method section 3)."""
    return abs(slope) + 1 / (abs(slope) + eps)


def gradient_penalty(score, image, gamma, step=1e-5):
    """R1 (Mescheder et al. 2018, equation 9) by central differences."""
    total = 0.0
    for index in np.ndindex(image.shape):
        moved = [image.copy(), image.copy()]
        moved[0][index] += step
        moved[1][index] -= step
        total += ((score(moved[0]) - score(moved[1])) / (2 * step)) ** 2
    return gamma / 2 * total


def blur(image, sigma, half_width):
    """Blur with 2^-(r / sigma)^2 on a square support, zeros outside (method section 9)."""
    offsets = range(-half_width, half_width + 1)
    kernel = np.array([[2.0 ** -((i * i + j * j) / sigma**2) for j in offsets] for i in offsets])
    kernel /= kernel.sum()
    rows, columns = image.shape[1:]
    padded = np.pad(image, ((0, 0), (half_width,) * 2, (half_width,) * 2))
    out = np.zeros_like(image)
    for i in range(rows):
        for j in range(columns):
            window = padded[:, i : i + 2 * half_width + 1, j : j + 2 * half_width + 1]
            out[:, i, j] = (window * kernel).sum(axis=(1, 2))
    return out


def discriminator_input(image, sigma, depth_sigma=30.0):
    """Blur all channels, and the depth once more on the same support (method section 9)."""
    half_width = math.floor(3 * sigma)
    if half_width == 0:
        return image
    blurred = blur(image, sigma, half_width)
    return np.concatenate([blurred[:3], blur(blurred[3:], depth_sigma, half_width)])


def linear_schedule(kimg, start, end, over_kimg):
    """From start to end over a time, then end."""
    return end if kimg >= over_kimg else start + (end - start) * kimg / over_kimg


def adam(value, gradients, lr, betas, eps):
    """Adam (Kingma and Ba 2015, algorithm 1) with gradients made finite; the value after each step."""
    m, v, history = 0.0, 0.0, []
    for step, gradient in enumerate(gradients, start=1):
        gradient = np.where(np.isnan(gradient), 0.0, np.clip(gradient, -1e5, 1e5))
        m = betas[0] * m + (1 - betas[0]) * gradient
        v = betas[1] * v + (1 - betas[1]) * gradient**2
        corrected = m / (1 - betas[0] ** step), v / (1 - betas[1] ** step)
        value = value - lr * corrected[0] / (np.sqrt(corrected[1]) + eps)
        history.append(value)
    return history


def weight_average(average, value, images_seen, batch, half_life_kimg, rampup):
    """Exponential average with a half-life in images (progressive GANs, section 5; method section 10)."""
    half_life = min(1000 * half_life_kimg, rampup * images_seen)
    decay = 0.5 ** (batch / half_life) if half_life > 0 else 0.0
    return decay * average + (1 - decay) * value


def non_flatness(depth, near, far, bins):
    """exp(entropy) of a depth map's histogram (3DGP, the non-flatness score; method section 12)."""
    index = np.clip(((depth.ravel() - near) / (far - near) * bins).astype(int), 0, bins - 1)
    frequency = np.bincount(index, minlength=bins) / depth.size
    frequency = frequency[frequency > 0]
    return math.exp(-(frequency * np.log(frequency)).sum())
