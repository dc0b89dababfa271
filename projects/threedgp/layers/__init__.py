"""Network layers: equalised, StyleGAN2, mapping and encoding layers."""

from .encodings import ScalarEncoder, octaves
from .equalized import EqualizedConv2d, EqualizedLinear, leaky_relu, normalize_second_moment
from .mapping import CodeMapping, Label, StyleMapping, one_hot_label, with_pose
from .modulated_linear import ModulatedLinear
from .precision import LowPrecision
from .resampling import filter2d, resize, upsample2d
from .stylegan2 import (
    NOISE_MODES,
    OutputLayer,
    SynthesisBlock,
    SynthesisLayer,
    channels_at,
    check_power_of_two,
    modulated_conv2d,
)

__all__ = [
    "NOISE_MODES",
    "CodeMapping",
    "EqualizedConv2d",
    "EqualizedLinear",
    "Label",
    "LowPrecision",
    "ModulatedLinear",
    "OutputLayer",
    "ScalarEncoder",
    "StyleMapping",
    "SynthesisBlock",
    "SynthesisLayer",
    "channels_at",
    "check_power_of_two",
    "filter2d",
    "leaky_relu",
    "modulated_conv2d",
    "normalize_second_moment",
    "octaves",
    "one_hot_label",
    "resize",
    "upsample2d",
    "with_pose",
]
