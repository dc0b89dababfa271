"""The models that the studies compare, as differences from configs/3dgp_toy32.py; imports nothing heavy."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

SYSTEMS = ("3dgp_toy32", "eg3d_toy32", "volumegan_toy32", "stylenerf_toy32", "epigraf_toy32")
"""Configs of the results table's 3D systems on procedural scenes."""


@dataclass(frozen=True)
class Arm:
    """One of the models that a study compares.

    Args:
        name: Part of the folder's name.
        title: What tables and plots call it.
        options: Its differences from the config, as ``--cfg-options`` has them, but of any type; paths under
            the config's ``root`` are moved to the data.
        config: Its config.
    """

    name: str
    title: str
    options: Mapping[str, Any] = field(default_factory=dict)
    config: str = "configs/3dgp_toy32.py"


_NO_DISTILLATION: dict[str, Any] = {
    "model.distillation": None,
    "model.discriminator.feature_dim": None,
    "train_dataloader.dataset.features": None,
}
_NO_DEPTH: dict[str, Any] = {
    "model.generator.depth_adaptor": None,
    "train_dataloader.dataset.use_depth": False,
}
_RAMP = {"start": 0.0, "end": 1.0, "over_kimg": 4}
_LOOK_AT = {"look_at_yaw": 1e-4, "look_at_pitch": 1e-4, "look_at_radius": 1e-4}
_EMD: dict[str, Any] = {
    "model.camera_regularizers": [
        {
            "type": "CameraEMDRegularizer",
            "weights": {"yaw": 2.0, "pitch": 2.0, "fov_deg": 0.01, **_LOOK_AT},
            "ramp": _RAMP,
        },
        {"type": "CameraMeanRegularizer", "weight": 1.0},
    ]
}

FULL = Arm("full", "3DGP")
NO_DEPTH = Arm("no_depth", "no depth", _NO_DEPTH)
RAW_DEPTH = Arm("raw_depth", "depth, no adaptor", {"model.generator.depth_adaptor.num_layers": 0})
FIXED_CAMERAS = Arm("fixed_cameras", "prior cameras", {"model.generator.camera_generator": None})
NO_REGULARIZER = Arm("no_regularizer", "no camera regulariser", {"model.camera_regularizers": []})
# As the release does, transport to the prior holds the angles too: it compares all classes at once.
EMD_REGULARIZER = Arm("emd_regularizer", "the release's camera regulariser", _EMD)
NO_DISTILLATION_3D = Arm("no_distillation", "no distillation", _NO_DISTILLATION)
KL_3D = Arm("kl", "distillation by KL", {"model.distillation.form": "kl"})

ABLATIONS = (FULL, NO_DEPTH, RAW_DEPTH, FIXED_CAMERAS, NO_REGULARIZER, EMD_REGULARIZER, NO_DISTILLATION_3D)

_STYLEGAN2 = "configs/stylegan2_toy32.py"
CONVERGENCE_3D = (NO_DISTILLATION_3D, FULL, KL_3D)
CONVERGENCE_2D = (
    Arm("stylegan2_none", "no distillation", _NO_DISTILLATION, _STYLEGAN2),
    Arm("stylegan2_l2", "distillation by L2", {}, _STYLEGAN2),
    Arm("stylegan2_kl", "distillation by KL", {"model.distillation.form": "kl"}, _STYLEGAN2),
)
FAMILIES = {"3d": ("3DGP", CONVERGENCE_3D), "2d": ("StyleGAN2", CONVERGENCE_2D)}

# How inexact the depth is, 1 being that of the scenes; tools/studies/prepare.py writes the others.
INEXACTNESS = (0, 3)
DEPTH_FOLDER = "inexact_depth_{}"
# What tools/studies/toy_networks.py trains.
NETWORK_FILES = {
    "teacher": "teacher.pth",
    "extractor": "extractor.ts",
    "depth_estimator": "depth_estimator.ts",
}


def with_inexactness(arm: Arm, inexactness: int) -> Arm:
    """The arm with other depth maps."""
    return replace(
        arm,
        name=f"{arm.name}_inexact{inexactness}",
        title=f"{arm.title}, inexactness {inexactness}",
        options={
            **arm.options,
            "train_dataloader.dataset.depth_root": f"data/toy32/{DEPTH_FOLDER.format(inexactness)}",
        },
    )
