"""Checkpoints of the toolkit's EG3D as checkpoints of our own kind, made of our parts."""

import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from mmagic.registry import MODELS
from mmengine.config import Config
from mmengine.hub import get_config
from mmengine.registry import init_default_scope

from ..engine.checkpoint_loading import read_checkpoint
from ..engine.run_config import read_config
from ..errors import UserError, blame
from ..rendering import POSE_DIM
from ..training.threedgp import ThreeDGP
from ..whole_files import whole_file
from .mmagic_eg3d_names import load_mmagic, split_networks

_GENERATOR_TYPES = ("TriplaneGenerator", "EG3DGenerator")
_GENERATOR_DEFAULTS: dict[str, Any] = dict(
    noise_size=512,
    style_channels=512,
    cond_size=POSE_DIM,
    cond_mapping_channels=None,
    cond_scale=1.0,
    zero_cond_input=False,
    num_mlps=8,
    triplane_size=256,
    triplane_channels=32,
    sr_in_size=64,
    sr_in_channels=32,
    sr_hidden_channels=128,
    sr_out_channels=64,
    sr_antialias=True,
    sr_add_noise=True,
    neural_rendering_resolution=64,
)
_RENDERER_DEFAULTS: dict[str, Any] = dict(
    box_warp=1.0,
    depth_resolution=64,
    depth_resolution_importance=64,
    density_noise=0.0,
    clamp_mode="softplus",
    white_back=True,
    projection_mode="Official",
)
# The release's planes are xy, xz and zx. In a world whose z is up, which ours is not, theirs (x, y, z) is our
# (z, x, y).
_AXES: dict[tuple[int, ...], tuple[str, str, str]] = {
    (0, 1, 0): ("xy", "xz", "zx"),
    (0, 0, 1): ("zx", "zy", "yz"),
}
_CONFIG_HEAD = '''"""EG3D of the toolkit's weights; written by tools/model_converters/eg3d_to_threedgp.py."""

# fmt: off
# mypy: ignore-errors
'''


def from_mmagic(config_path: str, checkpoint_path: str, out: Path) -> Iterator[str]:
    """Convert a checkpoint; its config is written beside it, under the same name with .py.

    Args:
        config_path: The toolkit's config of the model.
        checkpoint_path: The toolkit's checkpoint.
        out: Our checkpoint.

    Yields:
        What was done, line by line.
    """
    networks = split_networks(_tensors(checkpoint_path))
    config = derive_config(_their_config(config_path).get("model") or {}, "discriminator" in networks)
    init_default_scope("mmagic")
    model: ThreeDGP = MODELS.build(config.model)
    load_mmagic(model.generator, networks.get("average") or networks["generator"], "generator")
    if "discriminator" in networks:
        load_mmagic(model.discriminator, networks["discriminator"], "discriminator")
    checkpoint = dict(meta=dict(dataset_meta={}), state_dict=model.state_dict())
    with whole_file(out) as passing:
        torch.save(checkpoint, passing)
    with whole_file(out.with_suffix(".py")) as passing:
        passing.write_text(_CONFIG_HEAD + config.pretty_text, encoding="utf-8")
    yield f"networks:   {', '.join(sorted(networks))}"
    yield f"checkpoint: {out}"
    yield f"config:     {out.with_suffix('.py')}"


def _their_config(path: str) -> Config:
    """Read a config, also one of an installed toolkit, such as ``mmagic::eg3d/NAME.py``."""
    if "::" not in path:
        return read_config(path)
    with blame(f"config {path}", Exception):
        return get_config(path)


def _tensors(checkpoint_path: str) -> Mapping[str, Any]:
    stored = read_checkpoint(checkpoint_path)
    return stored.get("state_dict", stored)


def derive_config(model: Mapping[str, Any], with_discriminator: bool) -> Config:
    """Return our config of the toolkit's model.

    Args:
        model: ``model`` of the toolkit's config.
        with_discriminator: Whether there are weights of a discriminator.

    Raises:
        UserError: If it is no EG3D, or one that our parts cannot be.
    """
    generator = dict(model.get("generator") or {})
    if generator.get("type") not in _GENERATOR_TYPES:
        got = generator.get("type")
        raise UserError(f"config.model.generator.type: got {got!r}, wanted one of {_GENERATOR_TYPES}")
    camera = model.get("camera")
    if camera is None:
        raise UserError("config.model.camera: got none, wanted the cameras that samples are seen from")
    ours: dict[str, Any] = dict(
        type="ThreeDGP",
        num_classes=None,
        data_preprocessor=dict(type="DataPreprocessor", output_channel_order="RGB"),
        generator=_generator(_GENERATOR_DEFAULTS | generator, camera),
        discriminator=_discriminator() if with_discriminator else None,
        distillation=None,
        camera_regularizers=[],
        patch_sampler=None,
        ema_config=None,
    )
    imports = dict(imports=["projects.threedgp"], allow_failed_imports=False)
    return Config(dict(custom_imports=imports, default_scope="mmagic", model=ours))


def _generator(g: Mapping[str, Any], camera: Mapping[str, Any]) -> dict[str, Any]:
    r = _RENDERER_DEFAULTS | dict(g["renderer_cfg"])
    up = tuple(int(x) for x in camera.get("up", (0, 1, 0)))
    for name, got, known in (
        ("generator.cond_mapping_channels", g["cond_mapping_channels"], (None, g["style_channels"])),
        ("generator.cond_size", g["cond_size"], (POSE_DIM,)),
        ("generator.renderer_cfg.clamp_mode", r["clamp_mode"], ("softplus",)),
        ("generator.renderer_cfg.projection_mode", str(r["projection_mode"]).lower(), ("official",)),
        ("camera.up", up, tuple(_AXES)),
    ):
        if got not in known:
            raise UserError(f"config.model.{name}: got {got!r}, wanted one of {known}")
    return dict(
        type="ThreeDGPGenerator",
        image_size=g["out_size"],
        patch_size=None,
        noise_size=g["noise_size"],
        mapping=dict(
            type="StyleMapping",
            w_dim=g["style_channels"],
            num_layers=g["num_mlps"],
            pose_dim=POSE_DIM,
            pose_scale=0.0 if g["zero_cond_input"] else float(g["cond_scale"]),
        ),
        field=dict(
            type="TriPlaneField",
            resolution=g["triplane_size"],
            feature_dim=g["triplane_channels"],
            cbase=32768,
            cmax=512,
            cube_scale=r["box_warp"] / 2,
            out_channels=g["sr_in_channels"],
            axes=_AXES[up],
            align_corners=False,
            mlp_activation="softplus",
        ),
        renderer=_renderer(r),
        upsampler=_upsampler(g),
        camera_prior=camera_prior(camera),
        camera_generator=None,
        depth_adaptor=None,
    )


def _renderer(r: Mapping[str, Any]) -> dict[str, Any]:
    return dict(
        type="VolumeRenderer",
        near=r["ray_start"],
        far=r["ray_end"],
        num_coarse=r["depth_resolution"],
        num_fine=r["depth_resolution_importance"],
        marcher="mip",
        use_inf_depth=False,
        white_back=r["white_back"],
        density_bias=-1.0,
        space="metric",
        depth="mean",
        pixels="center",
        density_noise=r["density_noise"],
    )


def _upsampler(g: Mapping[str, Any]) -> dict[str, Any]:
    factor = g["out_size"] // g["sr_in_size"]
    return dict(
        type="SuperResolution",
        input_size=g["sr_in_size"],
        channels=(g["sr_hidden_channels"], g["sr_out_channels"]),
        up=(factor == 4, True),
        render_size=g["neural_rendering_resolution"],
        antialias=g["sr_antialias"],
        noise_mode="random" if g["sr_add_noise"] else "none",
    )


def _discriminator() -> dict[str, Any]:
    return dict(type="ThreeDGPDualDiscriminator", pose_dim=POSE_DIM, cbase=32768, cmax=512)


def camera_prior(camera: Mapping[str, Any]) -> dict[str, Any]:
    """Return our prior of the toolkit's ``GaussianCamera`` or ``UniformCamera``.

    Theirs turns the other way, from -x on, and its heights are numbers v of which arccos(1 - 2 v / pi) is the
    angle: of a normal distribution ours has the tangent.
    """
    gaussian = camera["type"] == "GaussianCamera"
    yaw, spread = math.pi / 2 - camera["horizontal_mean"], camera.get("horizontal_std", 0.0)
    height, width = camera["vertical_mean"], camera.get("vertical_std", 0.0)
    if gaussian:
        share = 2 * height / math.pi
        slope = 2 / math.pi / math.sqrt(1 - (1 - share) ** 2)
        yaws = dict(dist="normal", mean=yaw, std=spread)
        pitches = dict(dist="normal", mean=math.acos(1 - share), std=slope * width)
    else:
        yaws = dict(dist="uniform", min=yaw - spread, max=yaw + spread)
        low, high = max(height - width, 0.0), min(height + width, math.pi)
        pitches = dict(dist="spherical_uniform", min=low, max=high)
    focal = camera.get("focal") or 1 / (math.tan(camera["fov"] * math.pi / 360) * 1.414)
    x, y, z = camera.get("look_at", (0.0, 0.0, 0.0))
    distance = math.hypot(x, y, z)
    return dict(
        type="CameraPrior",
        yaw=yaws,
        pitch=pitches,
        fov_deg=math.degrees(2 * math.atan(0.5 / focal)),
        radius=camera.get("radius", 1.0),
        look_at_yaw=math.atan2(-x, z),
        look_at_pitch=math.acos(y / distance) if distance else math.pi / 2,
        look_at_radius=distance,
    )
