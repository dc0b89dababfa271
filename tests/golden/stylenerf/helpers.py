"""StyleNeRF of our parts, with the weights of the golden files, in double precision.

The release's world has z up, ours y: our (x, y, z) are its (y, z, x). An azimuth u and a polar angle v of the
release are our yaw -u and pitch v.
"""

import json
import re
from dataclasses import dataclass, replace

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from projects.threedgp.models import PathDraws, Sampling, SkipDiscriminator, ThreeDGPGenerator
from projects.threedgp.rendering import Camera, LayeredDraws, Patch, RayDraws, RayMarching, patch_positions
from tests.golden.helpers import golden_file

AXES = [1, 2, 0]
"""Axes of the release's world in the order of ours."""
_GENERATOR = (
    (r"mapping\.fc(\d+)", r"mapping.layers.\1"),
    (r"synthesis\.fg_nerf", "field.mlp"),
    (r"synthesis\.bg_nerf", "field.background_mlp"),
    (r"mlp\.fc_in", "mlp.layers.0"),
    (r"mlp\.blocks\.(\d+)", lambda m: f"mlp.layers.{int(m[1]) + 1}"),
    (r"sigma_out", "density"),
    (r"feat_out", "feature"),
    (r"to_rgb", "colour"),
    (r"adapter\.(\d)", r"adapter.layers.\1"),
    (r"(conv\d)\.w_avg", r"\1.magnitude"),
    (r"torgb", "to_image"),
)


def _stored(network: str) -> tuple[dict, dict[str, Tensor]]:
    file = np.load(golden_file(f"stylenerf/params_{network}"))
    meta = json.loads(str(file["meta_json"]))
    names = [name for name in meta["tensors"] if not name.endswith(("alpha", "resample_filter"))]
    return meta["config"], {name: torch.from_numpy(file[name]) for name in names}


def generator_name(name: str, render_size: int) -> str:
    """Translate a name of the generator's file."""
    for pattern, new in _GENERATOR:
        name = re.sub(pattern, new, name)
    return re.sub(
        r"synthesis\.b(\d+)",
        lambda m: f"upsampler.blocks.{(int(m[1]) // render_size).bit_length() - 2}",
        name,
    )


def discriminator_name(name: str, image_size: int) -> str:
    """Translate a name of the discriminator's file."""
    name = re.sub(r"^b4\.fromrgb", "from_image", name)
    name = re.sub(r"^mapping\.fc(\d+)", r"epilogue.condition_mapping.layers.\1", name)
    name = re.sub(r"^mapping", "epilogue.condition_mapping", name)
    name = re.sub(r"^b4\.", "epilogue.", name).replace("fromrgb", "from_image")
    return re.sub(r"^b(\d+)", lambda m: f"blocks.{(image_size // int(m[1])).bit_length() - 1}", name)


def to_our_axes(name: str, value: Tensor) -> Tensor:
    """Sort the inputs of a first layer, octaves of points, and give a pointwise layer the shape of ours."""
    if ".mlp." in name or "colour" in name:
        value = value.flatten(1) if value.ndim == 4 else value
    size, fixed = (4, [*AXES, 3]) if "background" in name else (3, AXES)
    if "mlp.layers.0" not in name or name.endswith("0.bias"):
        return value
    dim = 0 if "affine" in name else 1
    count = value.shape[dim] if size == 3 else 80
    order = torch.arange(value.shape[dim])
    order[:count] = order[:count].reshape(-1, size)[:, fixed].flatten()
    return value.index_select(dim, order)


def prior_config(camera: dict, gaussian: bool) -> dict:
    """Translate the stored camera configuration; our yaw runs the other way."""

    def angle(low: float, high: float) -> dict:
        if gaussian:
            return dict(dist="normal", mean=(low + high) / 2, std=(high - low) / 2)
        return dict(dist="uniform", min=low, max=high)

    (low_u, high_u), (low, high) = camera["range_u"], camera["range_radius"]
    return dict(
        yaw=angle(-high_u, -low_u),
        pitch=angle(*camera["range_v"]),
        fov_deg=camera["fov"],
        radius=dict(dist="uniform", min=low, max=high),
        look_at_radius=0.0,
    )


def golden_stylenerf(**changes) -> ThreeDGPGenerator:
    """The generator of the files; ``changes`` replace arguments."""
    config, tensors = _stored("G")
    syn, fg, bg = config["syn"], config["fg"], config["bg"]
    latent_dim = 0 if config["renderer"]["no_background"] else syn["z_dim_bg"]
    rendering, camera = config["renderer"], config["camera"]
    near, far = camera["depth_range"]
    arguments = dict(
        image_size=config["img_resolution"],
        patch_size=None,
        num_classes=config["c_dim"] or None,
        noise_size=config["z_dim"] + latent_dim,
        mapping=dict(
            z_dim=config["z_dim"],
            w_dim=config["w_dim"],
            num_layers=config["mapping"]["num_layers"],
            w_avg_decay=0.995,
        ),
        field=dict(
            type="ImplicitField",
            num_octaves=fg["n_freq_posenc"],
            hidden_dim=fg["hidden_size"],
            num_layers=fg["n_blocks"],
            feature_dim=syn["rgb_out_dim"],
            latent_dim=latent_dim,
            background_dim=bg["hidden_size"],
            background_layers=bg["n_blocks"],
        ),
        renderer=dict(
            type="LayeredRenderer",
            near=near,
            far=far,
            num_coarse=rendering["n_ray_samples"],
            num_fine=rendering["n_ray_samples"] if rendering["hierarchical"] else 0,
            num_background=rendering["n_bg_samples"],
            background_start=camera["bg_start"],
        ),
        upsampler=dict(
            type="StyleNeRFUpsampler",
            image_size=config["img_resolution"],
            render_size=syn["resolution_vol"],
            start_size=syn["resolution_start"],
            cbase=int(32768 * syn["channel_base"]),
            cmax=syn["channel_max"],
            magnitude_decay=syn["magnitude_ema_beta"],
        ),
        camera_prior=dict(type="CameraPrior") | prior_config(camera, camera["gaussian_camera"]),
        view_terms=[dict(type="NeRFPathRegularizer", num_samples=syn["n_reg_samples"])],
        camera_generator=None,
        depth_adaptor=None,
    )
    generator = ThreeDGPGenerator(**arguments | changes)
    named = {generator_name(name, syn["resolution_vol"]): value for name, value in tensors.items()}
    generator.load_state_dict({name: to_our_axes(name, value) for name, value in named.items()})
    return generator.double().eval()


def golden_skip_discriminator(fade: bool = False) -> SkipDiscriminator:
    """The discriminator of the files."""
    config, tensors = _stored("D")
    d, size = config["D"], config["img_resolution"]
    discriminator = SkipDiscriminator(
        image_size=size,
        num_classes=config["c_dim"] or None,
        cbase=int(32768 * d["channel_base"]),
        cmax=d["channel_max"],
        start_size=d["lowres_head"],
        mbstd_group_size=d["mbstd_group_size"],
        fade=fade,
    )
    discriminator.load_state_dict({discriminator_name(name, size): v for name, v in tensors.items()})
    return discriminator.double()


def gradient_table(network: nn.Module, names: list[str], ours) -> dict[str, Tensor]:
    """Norms of the gradients, and their inner products with the parameters; NaN where there is none."""
    parameters = dict(network.named_parameters())
    norms, dots = [], []
    for name in names:
        parameter = parameters[ours(name)]
        grad = parameter.grad
        norms.append(torch.nan if grad is None else grad.norm().item())
        dots.append(torch.nan if grad is None else (grad * parameter).sum().item())
    return dict(grad_norms=torch.tensor(norms), grad_dots=torch.tensor(dots))


@dataclass(frozen=True)
class View:
    """Cameras given by the release's camera-to-world matrices, all of one focal length.

    Args:
        matrices: In the release's world.
        tangent: Tangent of half the field of view.
    """

    matrices: Tensor
    tangent: float

    @property
    def params(self) -> Tensor:
        return self.matrices.flatten(1)

    def __len__(self) -> int:
        return len(self.matrices)

    def rays(self, resolution: int, patch: Patch | None = None, pixels: str = "border"):
        matrices = self.matrices.double()[:, AXES]
        patch = Patch.full(len(self)) if patch is None else patch
        xy = patch_positions(patch, resolution, pixels).flatten(1, 2).double()
        in_camera = torch.cat([xy * self.tangent, -torch.ones_like(xy[..., :1])], dim=-1)
        directions = F.normalize(in_camera @ matrices[:, :, :3].mT, dim=-1)
        return matrices[:, None, :, 3].expand_as(directions), directions


def tangent(golden) -> float:
    """The release's tangent of half the field of view, which is rounded to single precision."""
    return golden("stylenerf/case_a_camera")["out_inverse_intrinsics"][0, 0, 0].double().item()


def camera(u: Tensor, v: Tensor, radius: Tensor, tangent: float) -> Camera:
    """Our cameras at the release's angles, which look at the origin."""
    fov = np.rad2deg(2 * np.arctan(tangent))
    zero, half = torch.zeros_like(u), torch.full_like(u, torch.pi / 2)
    return Camera.of(
        yaw=-u,
        pitch=v,
        roll=zero,
        fov_deg=torch.full_like(u, fov),
        radius=radius,
        look_at_yaw=zero,
        look_at_pitch=half,
        look_at_radius=zero,
    )


def draws_of(case, run: str, pixels: int) -> LayeredDraws:
    """Recorded draws of a run, in the order of their consumption.

    Args:
        case: The golden case.
        run: The run, as it is in the names of arrays.
        pixels: Rays of the run.
    """

    def each(kind: str) -> list[Tensor]:
        names = [n for n in case.arrays.files if re.fullmatch(rf"rng_{re.escape(run)}_\d+_{kind}", n)]
        return [case[name].double().reshape(-1, pixels, case[name].shape[-1]) for name in sorted(names)]

    options, (coarse, *noise) = case.config["renderer"], each("density_noise")
    jitter, importance = each("jitter_u"), [*each("importance_u"), coarse[..., :0]][0]
    fine = noise.pop(0) if options["hierarchical"] else None
    behind = coarse[..., :1] if options["no_background"] else noise.pop(0)
    if not jitter:
        marching = RayMarching(marcher="layered", num_coarse=coarse.shape[-1], num_fine=0)
        still = LayeredDraws.deterministic(coarse[..., :1].expand(-1, -1, 3), marching, behind.shape[-1])
        jitter = [still.foreground.stratified, still.background.stratified]
    foreground = RayDraws(jitter[0], importance, coarse, fine)
    return LayeredDraws(foreground, RayDraws(jitter[-1], importance[..., :0], behind))


def latents(z: Tensor, behind: Tensor, generator: ThreeDGPGenerator) -> Tensor:
    """Latents of the scene and, where there is one, of the background."""
    return torch.cat([z, behind[:, : generator.latent_dim]], dim=1).double()


def thinned(values: Tensor, recorded: Tensor) -> Tensor:
    """Every so many entries of each axis, as many as were recorded."""
    for dim, size in enumerate(recorded.shape):
        step = -(-values.shape[dim] // size)
        values = values[(slice(None),) * dim + (slice(None, None, step),)]
    return values


def sampling_of(case, run: str, generator: ThreeDGPGenerator, alpha: float, training: bool) -> Sampling:
    """How a recorded run of the generator samples, with its draws if it is one of training."""
    upsampler = generator.upsampler
    levels = np.log2(upsampler.image_side // upsampler.start_side)
    sampling = Sampling(level=None if alpha == -1 else alpha * levels)
    if not training:
        return sampling
    count = generator.view_terms[0].num_samples ** 2
    volume = upsampler.render_size(generator.image_size, sampling) ** 2
    (offsets,) = [
        n for n in case.arrays.files if re.fullmatch(rf"rng_{re.escape(run)}_\d+_reg_pixel_u", n)
    ] or [None]
    draws = draws_of(case, run, volume if offsets is None else volume + count)
    path = None
    if offsets is not None:
        path = PathDraws(case[offsets].double(), draws[slice(volume, None)])
    return replace(sampling, kimg=0.0, deterministic=False, draws=draws[slice(0, volume)], path_draws=path)
