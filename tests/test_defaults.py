"""The defaults of the parts are the flagship's, whose config repeats them or leaves them to the parts."""

from collections.abc import Iterator, Mapping
from inspect import Parameter, signature
from pathlib import Path

import pytest
from mmagic.registry import MODELS
from mmengine.config import Config
from mmengine.registry import init_default_scope

import projects.threedgp  # noqa: F401
from projects.threedgp.rendering import RayMarching
from projects.threedgp.schedules import Linear

FLAGSHIP = Path(__file__).resolve().parents[1] / "configs" / "3dgp_imagenet256.py"

# What the flagship does not say: the numbers of docs/method.md.
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


def parts_of(config: object) -> Iterator[dict]:
    """Config of each part in a config."""
    if isinstance(config, dict):
        if "type" in config:
            yield config
        config = list(config.values())
    for value in config if isinstance(config, list) else []:
        yield from parts_of(value)


def as_written(value: object) -> object:
    """A default as a config says it; None for what only a config can say, or what follows from others."""
    if isinstance(value, Linear):
        return vars(value)
    if isinstance(value, Mapping):
        return None if "type" in value else dict(value)
    return list(value) if isinstance(value, tuple) else None if value is Parameter.empty else value


def test_the_defaults_of_the_parts_are_the_flagship():
    init_default_scope("mmagic")
    compared = 0
    for part in parts_of(Config.fromfile(FLAGSHIP).model.to_dict()):
        kind = part.pop("type")
        parameters = {**signature(RayMarching).parameters, **signature(MODELS.get(kind)).parameters}
        for name, value in (part | UNSAID.get(kind, {})).items():
            default = as_written(parameters[name].default)
            if default is not None:
                assert default == pytest.approx(value), f"{kind}.{name}"
                compared += 1
    assert compared >= 85
