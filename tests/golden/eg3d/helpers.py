"""EG3D of our parts, with the weights of the golden files, in double precision."""

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from unittest import mock

import numpy as np
import torch
from torch import Tensor, nn

from projects.threedgp.models import ThreeDGPDualDiscriminator, ThreeDGPGenerator
from projects.threedgp.rendering import POSE_DIM, RayDraws
from tests.golden.helpers import golden_file

# What a tensor is called in the files, and here.
_GENERATOR = (
    (r"backbone\.mapping\.fc(\d+)", r"mapping.layers.\1"),
    (r"backbone\.mapping", "mapping"),
    (r"backbone\.synthesis\.b(\d+)", lambda m: f"field.decoder.blocks.{int(m[1]).bit_length() - 3}"),
    (r"superresolution\.block(\d)", r"upsampler.blocks.\1"),
    (r"decoder\.net\.0", "field.mlp.hidden"),
    (r"decoder\.net\.2", "field.mlp.out"),
    ("torgb", "to_image"),
)
_DISCRIMINATOR = (
    (r"mapping\.fc(\d+)", r"judge.epilogue.condition_mapping.layers.\1"),
    (r"^mapping", "judge.epilogue.condition_mapping"),
    (r"^b4\.", "judge.epilogue."),
    (r"^b\d+\.fromrgb", "judge.from_image"),
)


def ours(name: str, first_block: int = 128) -> str:
    """Translate a name of the files."""
    for pattern, new in _GENERATOR if name.split(".")[0] in _PARTS else _DISCRIMINATOR:
        name = re.sub(pattern, new, name)
    return re.sub(
        r"^b(\d+)", lambda m: f"judge.blocks.{first_block.bit_length() - int(m[1]).bit_length()}", name
    )


_PARTS = ("backbone", "superresolution", "decoder")


def _stored(network: str) -> tuple[dict, dict[str, Tensor]]:
    file = np.load(golden_file(f"eg3d/params_{network}"))
    meta = json.loads(str(file["meta_json"]))
    return meta["config"], {name: torch.from_numpy(file[name]) for name in meta["tensors"]}


def _load(module: nn.Module, tensors: dict[str, Tensor], size: int) -> None:
    state = {ours(name, size): value for name, value in tensors.items() if "resample_filter" not in name}
    for name in state:
        if name.startswith("field.mlp.out"):
            # The files have the density first, we have it last.
            state[name] = state[name].roll(-1, dims=0)
    module.load_state_dict(state)


SUPER_RESOLUTION = {
    "SuperresolutionHybrid2X": dict(input_size=64),
    "SuperresolutionHybrid4X": dict(input_size=128, shrink=False),
}


def golden_eg3d(**changes) -> ThreeDGPGenerator:
    """The generator of the files; ``changes`` replace arguments of its renderer."""
    config, tensors = _stored("G")
    backbone, rendering = config["backbone"], config["rendering"]
    generator = ThreeDGPGenerator(
        image_size=config["img_resolution"],
        patch_size=None,
        num_classes=None,
        noise_size=config["z_dim"],
        mapping=dict(
            w_dim=config["w_dim"],
            num_layers=config["mapping"]["num_layers"],
            pose_dim=POSE_DIM,
            pose_scale=0.0 if rendering["c_gen_conditioning_zero"] else rendering["c_scale"],
        ),
        field=dict(
            resolution=backbone["img_resolution"],
            feature_dim=backbone["img_channels"] // 3,
            cbase=backbone["channel_base"],
            cmax=backbone["channel_max"],
            mlp_hidden_dim=config["decoder_hidden"],
            out_channels=config["decoder_features"],
            cube_scale=rendering["box_warp"] / 2,
            axes=("xy", "xz", "zx"),
            align_corners=False,
            mlp_activation="softplus",
            mlp_lr_multiplier=rendering["decoder_lr_mul"],
        ),
        renderer=dict(
            near=rendering["ray_start"],
            far=rendering["ray_end"],
            num_coarse=rendering["depth_resolution"],
            num_fine=rendering["depth_resolution_importance"],
            marcher="mip",
            use_inf_depth=False,
            white_back=rendering["white_back"],
            density_bias=-1.0,
            space="metric",
            spacing="disparity" if rendering["disparity_space_sampling"] else "linear",
            depth="mean",
            pixels="center",
            density_noise=0.0,
        )
        | changes,
        upsampler=dict(
            type="SuperResolution",
            render_size=config["neural_rendering_resolution"],
            antialias=rendering["sr_antialias"],
            noise_mode=rendering["superresolution_noise_mode"],
            **SUPER_RESOLUTION[config["sr"]],
        ),
        camera_generator=None,
        depth_adaptor=None,
    )
    _load(generator, tensors, config["img_resolution"])
    return generator.double().eval()


RAW_ANTIALIAS = {"antialiased": 1.0, "none": 0.0}


def golden_dual_discriminator(**changes) -> ThreeDGPDualDiscriminator:
    """The discriminator of the files."""
    config, tensors = _stored("D")
    d, antialias = config["D"], config["loss"]["filter_mode"]
    discriminator = ThreeDGPDualDiscriminator(
        image_size=config["img_resolution"],
        patch_size=None,
        num_classes=None,
        pose_dim=POSE_DIM,
        cbase=d["channel_base"],
        cmax=d["channel_max"],
        clamp=d["conv_clamp"],
        mapping_layers=d["mapping_layers"],
        mbstd_group_size=d["mbstd_group_size"],
        raw_antialias=RAW_ANTIALIAS.get(antialias, antialias),
        **changes,
    )
    _load(discriminator, tensors, config["img_resolution"])
    return discriminator.double()


def ray_draws(case, prefix: str, noise: float = 0.0) -> RayDraws:
    """Recorded draws of rays; normal ones are multiplied by ``noise``."""
    stratified = case[f"{prefix}stratified_u"].double().squeeze(-1)
    shape = stratified.shape[:2]
    importance = torch.zeros(*shape, 0).double()
    if f"{prefix}importance_u" in case:
        importance = case[f"{prefix}importance_u"].double().reshape(*shape, -1)
    if not noise:
        return RayDraws(stratified, importance)
    coarse, fine = (case[f"{prefix}{part}_density_noise"].double() for part in ("coarse", "fine"))
    return RayDraws(
        stratified,
        importance,
        noise * coarse.reshape(stratified.shape),
        noise * fine.reshape(importance.shape),
    )


def rule_noise(shape: torch.Size, k: int) -> Tensor:
    """The k-th spatial noise map of a run, which follows a rule instead of being stored."""
    i = torch.arange(shape.numel())
    value = ((1103 * (i ^ (i >> 5)) + 12345 * (k + 1)) % 509 - 254) / 128
    return value.reshape(shape)


@contextmanager
def noise_by_rule() -> Iterator[None]:
    """Draw spatial noise maps by the rule, in the order of the layers."""
    calls = iter(range(10**6))

    def drawn(like):
        return rule_noise(like.shape, next(calls)).to(like)

    with mock.patch("torch.randn_like", drawn):
        yield


def gradient_table(module: nn.Module, names: list[str], first_block: int = 128) -> tuple[Tensor, Tensor]:
    """Norms of gradients, and their inner products with the parameters; NaN where there is no gradient."""
    parameters = dict(module.named_parameters())
    rows = []
    for name in names:
        p = parameters[ours(name, first_block)]
        g = p.grad
        rows.append([torch.nan, torch.nan] if g is None else [g.norm(), (g * p.detach()).sum()])
    norms, dots = torch.tensor(rows, dtype=torch.float64).unbind(dim=1)
    return norms, dots
