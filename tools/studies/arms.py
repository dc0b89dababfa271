"""The models that the studies compare, as differences from configs/3dgp_toy32.py."""

from typing import Any

from tools.studies.runs import Arm

_NO_DISTILLATION: dict[str, Any] = {
    "model.distillation": None,
    "model.discriminator.feature_dim": None,
    "train_dataloader.dataset.features": None,
}
_NO_DEPTH: dict[str, Any] = {
    "model.generator.depth_adaptor": None,
    "train_dataloader.dataset.use_depth": False,
}
_SLOPE: dict[str, Any] = {
    "model.camera_regularizers": [
        {
            "type": "CameraSlopeRegularizer",
            "weights": {"yaw": 1.0, "pitch": 1.0},
            "ramp": {"start": 0.0, "end": 1.0, "over_kimg": 4},
        },
        {"type": "CameraMeanRegularizer", "num_samples": 64},
    ]
}

FULL = Arm("full", "3DGP")
NO_DEPTH = Arm("no_depth", "no depth", _NO_DEPTH)
RAW_DEPTH = Arm("raw_depth", "depth, no adaptor", {"model.generator.depth_adaptor.num_layers": 0})
FIXED_CAMERAS = Arm("fixed_cameras", "prior cameras", {"model.generator.camera_generator": None})
NO_REGULARIZER = Arm("no_regularizer", "no camera regulariser", {"model.camera_regularizers": []})
# The paper's regulariser in place of the release's, which compares all classes at once with the prior.
SLOPE_REGULARIZER = Arm("slope_regularizer", "the paper's camera regulariser", _SLOPE)
NO_DISTILLATION_3D = Arm("no_distillation", "no distillation", _NO_DISTILLATION)
KL_3D = Arm("kl", "distillation by KL", {"model.distillation.form": "kl"})

ABLATIONS = (FULL, NO_DEPTH, RAW_DEPTH, FIXED_CAMERAS, NO_REGULARIZER, SLOPE_REGULARIZER, NO_DISTILLATION_3D)

_STYLEGAN2 = "configs/stylegan2_toy32.py"
CONVERGENCE_3D = (NO_DISTILLATION_3D, FULL, KL_3D)
CONVERGENCE_2D = (
    Arm("stylegan2_none", "no distillation", _NO_DISTILLATION, _STYLEGAN2),
    Arm("stylegan2_l2", "distillation by L2", {}, _STYLEGAN2),
    Arm("stylegan2_kl", "distillation by KL", {"model.distillation.form": "kl"}, _STYLEGAN2),
)
