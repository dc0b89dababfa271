"""Defaults that the flagship leaves to its parts; those that its config repeats are in test_configs."""

from inspect import signature

import pytest
from mmagic.registry import MODELS
from mmengine.registry import init_default_scope

import projects.threedgp  # noqa: F401
from projects.threedgp.rendering import RayMarching
from projects.threedgp.schedules import Linear

# The numbers of docs/method.md.
UNSAID = {
    "ThreeDGP": dict(deterministic_eval=False, strict_load=True),
    "ThreeDGPGenerator": dict(num_classes=1000),
    "StyleMapping": dict(z_dim=512, num_classes=1000, lr_multiplier=0.01, w_avg_decay=0.998),
    "TriPlaneField": dict(w_dim=512, out_channels=3, squash=False),
    "VolumeRenderer": dict(
        density="softplus", use_inf_depth=True, last_back=False, white_back=False, cut_quantile=0
    ),
    "CameraGenerator": dict(z_dim=512, num_classes=1000, official_compat=False),
    "DepthAdaptor": dict(near=0.75, far=1.25, near_offset_init=-3),
    "ThreeDGPDiscriminator": dict(
        image_size=256, patch_size=64, num_classes=1000, in_channels=4, patch_embed_dim=256, clamp=256
    ),
    "ThreeDGPAdversarialLoss": dict(max_confidence=1e7),
    "KnowledgeDistillationLoss": dict(patch_weighting=True),
    "PatchSampler": dict(min_scale=64 / 256, max_scale=1),
}


@pytest.mark.parametrize("kind", UNSAID)
def test_what_the_flagship_leaves_to_its_parts_is_that_of_the_method(kind):
    init_default_scope("mmagic")
    parameters = {**signature(RayMarching).parameters, **signature(MODELS.get(kind)).parameters}
    defaults = {name: parameters[name].default for name in UNSAID[kind]}
    # The smallest scale is a schedule that stays.
    if isinstance(schedule := defaults.get("min_scale"), Linear):
        defaults["min_scale"] = schedule.end
    assert defaults == pytest.approx(UNSAID[kind])
