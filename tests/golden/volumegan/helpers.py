"""VolumeGAN of our parts, with the weights of the golden files, in double precision."""

import json
import re
from itertools import count

import numpy as np
import torch
from torch import Tensor, nn

from projects.threedgp.models import CameraPrior, GrowingDiscriminator, Mixing, ThreeDGPGenerator
from projects.threedgp.rendering import Camera, RayDraws
from tests.golden.eg3d.helpers import rule_noise
from tests.golden.helpers import golden_file

SYSTEM = "volumegan"
# What a tensor is called in the files, and here.
_NAMES = (
    (r"^w_avg$", "mapping.w_avg"),
    (r"^embedding\.", "mapping.embed."),
    (r"^mapping\.dense(\d+)", r"mapping.layers.\1"),
    (r"^nerfmlp\.fv\.layer(\d+)", r"field.embedding.stages.\1.conv"),
    (r"^nerfmlp\.fv\.mapping_network", "field.embedding.affine"),
    (r"^nerfmlp\.fv", "field.embedding"),
    (r"^nerfmlp\.fg_mlps\.(\d+)", r"field.mlp.layers.\1"),
    (r"^nerfmlp\.fg_density", "field.mlp.to_density"),
    (r"^nerfmlp\.fg_color", "field.mlp.to_features"),
    (r"^synthesis\.rgb_init_res", "upsampler.to_base"),
    (
        r"^synthesis\.layer(\d+)",
        lambda m: f"upsampler.blocks.{(int(m[1]) - 1) // 2}.conv{(int(m[1]) - 1) % 2}",
    ),
    (r"^synthesis\.output(\d+)", lambda m: f"upsampler.blocks.{int(m[1]) - 1}.to_image"),
    (r"\.style\.", ".affine."),
    (r"\.noise$", ".noise_const"),
)
_UNUSED = ("filter", "lod")
JITTERS = {None: "centered", "none": "none", "mid": "strata"}
DENSITIES = {"relu": "relu", "softplus": "softplus", "mipnerf": "shifted_softplus"}


def ours(name: str, blocks: int) -> str:
    """Translate a name of the files; ``blocks`` are those of the discriminator."""
    if not name.startswith(("w_avg", "mapping.dense", "nerfmlp", "synthesis")):
        return _discriminator_name(name, blocks)
    for pattern, new in _NAMES:
        name = re.sub(pattern, new, name)
    return name


def _discriminator_name(name: str, blocks: int) -> str:
    stem, _, kind = name.partition(".")
    part, number = re.fullmatch(r"([a-z]+)(\d*)", stem).groups()
    if part == "layer":
        block, index = divmod(int(number), 2)
        last = ("epilogue.conv", "epilogue.fc")[index]
        return f"{f'blocks.{block}.conv{index}' if block < blocks else last}.{kind}"
    found = {
        "input": f"from_image.{number}",
        "residual": f"blocks.{number}.skip",
        "output": "epilogue.out",
        "embedding": "epilogue.condition_mapping.embed",
        "mapping": f"epilogue.condition_mapping.layers.{number}",
    }
    return f"{found[part]}.{kind}"


def stored(network: str) -> tuple[dict, dict[str, Tensor]]:
    """Return configuration and tensors of a network of the files."""
    file = np.load(golden_file(f"{SYSTEM}/params_{network}"))
    meta = json.loads(str(file["meta_json"]))
    return meta["config"], {name: torch.from_numpy(file[name]) for name in meta["tensors"] if name in file}


def load(module: nn.Module, tensors: dict[str, Tensor], blocks: int) -> None:
    """Load all tensors of the files but filters and the level of detail; shapes may differ by axes of 1."""
    names = {name: ours(name, blocks) for name in tensors if name.split(".")[-1] not in _UNUSED}
    shapes = {name: value.shape for name, value in module.state_dict().items()}
    module.load_state_dict({new: tensors[old].reshape(shapes[new]) for old, new in names.items()})


def renderer(config: dict, **changes) -> dict:
    """The renderer of the files; ``changes`` replace arguments."""
    sampling = config["ps"]
    return (
        dict(
            near=sampling["ray_start"],
            far=sampling["ray_end"],
            num_coarse=sampling["num_steps"],
            num_fine=sampling["num_steps"],
            density=DENSITIES[config["vr"]["clamp_mode"]],
            jitter=JITTERS[sampling["perturb_mode"]],
            space="metric",
            density_noise=0.0,
        )
        | changes
    )


def camera_prior(config: dict, form: str) -> dict:
    """The prior of the files; our yaw is theirs less a quarter turn."""
    angles = {}
    for name, axis, turn in (("yaw", "horizontal", np.pi / 2), ("pitch", "vertical", 0.0)):
        mean, std = config["ps"][f"{axis}_mean"] - turn, config["ps"][f"{axis}_stddev"]
        angles[name] = {
            "gaussian": dict(dist="normal", mean=mean, std=std),
            "uniform": dict(dist="uniform", min=mean - std, max=mean + std),
            "spherical": dict(dist="spherical_uniform", min=mean - std, max=mean + std),
            "truncated": dict(dist="truncnorm", mean=mean, std=std, min=mean - 2 * std, max=mean + 2 * std),
        }[form]
    fixed = dict(fov_deg=config["ps"]["fov"], radius=config["ps"]["radius"])
    at_origin = dict(look_at_yaw=0.0, look_at_pitch=np.pi / 2, look_at_radius=0.0)
    return dict(type="CameraPrior", **angles, **fixed, **at_origin)


def golden_volumegan() -> ThreeDGPGenerator:
    """The generator of the files."""
    config, tensors = stored("G")
    volume, mlp = config["fv"], config["fg"]
    generator = ThreeDGPGenerator(
        image_size=config["resolution"],
        patch_size=None,
        num_classes=config["label_size"] or None,
        noise_size=config["z_dim"],
        mapping=dict(
            w_dim=config["w_dim"],
            num_layers=config["mapping_layers"],
            hidden_dim=config["mapping_fmaps"],
            w_avg_decay=config["train"]["w_moving_decay"],
        ),
        field=dict(
            type="FeatureVolumeField",
            resolution=volume["feat_res"],
            feature_dim=volume["output_channels"],
            max_channels=volume["base_channels"],
            bounds=config["bounds"],
            num_octaves=config["embed"]["N_freqs"],
            hidden_dim=mlp["hidden_dim"],
            num_layers=mlp["num_layers"],
            out_channels=config["out_dim"],
        ),
        renderer=renderer(config),
        upsampler=dict(
            type="PointwiseUpsampler",
            image_size=config["resolution"],
            render_size=config["nerf_res"],
            cbase=config["fmaps_base"],
            cmax=config["fmaps_max"],
            learned_base=config["rgb_init_res_out"],
        ),
        camera_prior=camera_prior(config, config["ps"]["camera_dist"]),
        camera_generator=None,
        depth_adaptor=None,
    )
    load(generator, tensors, blocks=0)
    return generator.double().eval()


def golden_growing_discriminator() -> GrowingDiscriminator:
    """The discriminator of the files."""
    config, tensors = stored("D")
    d, whole = config["D"], stored("G")[0]
    discriminator = GrowingDiscriminator(
        image_size=whole["resolution"],
        num_classes=d["label_dim"] or None,
        base_size=whole["nerf_res"],
        cbase=d["fmaps_base"],
        cmax=d["fmaps_max"],
        embed_dim=d["embedding_dim"],
        mapping_layers=d["mapping_layers"],
        mapping_dim=d["mapping_fmaps"],
        mbstd_group_size=d["mbstd_groups"],
        clamp=whole["conv_clamp"],
    )
    load(discriminator, tensors, len(discriminator.blocks))
    return discriminator.double()


class Run:
    """The recorded draws of one run of the generator.

    Args:
        case: The golden case.
        name: Of the run.
    """

    def __init__(self, case, name: str) -> None:
        self.case, self.name = case, name
        values = case.values
        self.order = (values["phases"][name] if "phases" in values else values["runs"][name])["draw_order"]

    def all(self, note: str) -> list[Tensor]:
        """Return all draws of a kind, in the order in which they were drawn; those of no effect are zeros."""
        rules, draws = count(), []
        for draw in self.order:
            kind, _, remark = draw["note"].partition(" ")
            drawn = rule_noise(torch.Size(draw["shape"]), next(rules)) if "rule" in remark else None
            if kind == note:
                stored = self.case[draw["name"]] if draw["name"] else torch.zeros(draw["shape"])
                draws.append((stored if drawn is None else drawn).double())
        return draws

    def one(self, note: str) -> Tensor:
        """Return the only draw of a kind."""
        (draw,) = self.all(note)
        return draw

    @property
    def camera(self) -> Camera:
        """The prior camera of the draws."""
        config = self.case.config
        return drawn_camera(config, config["ps"]["camera_dist"], self.one("yaw"), self.one("pitch"))

    @property
    def rays(self) -> RayDraws:
        """The draws of rays."""
        return ray_draws(self.one("jitter_u"), self.one("importance_u"))

    @property
    def mixing(self) -> Mixing | None:
        """Style mixing, if there was any."""
        if not self.all("mixing_z"):
            return None
        z = self.one("mixing_z")
        return Mixing(z, self.one("mixing_cutoff").long().expand(len(z)))

    def spread_noise(self, generator: ThreeDGPGenerator) -> None:
        """Let the layers' stored noise be that of the run: one map for each sample."""
        layers = [layer for block in generator.upsampler.blocks for layer in (block.conv0, block.conv1)]
        for layer, noise in zip(layers, self.all("layer_noise"), strict=False):
            layer.noise_const = noise


def ray_draws(jitter: Tensor, importance: Tensor | None = None) -> RayDraws:
    """Make draws of rays of recorded ones."""
    stratified = jitter.flatten(1, 2).squeeze(-1)
    n, rays = stratified.shape[:2]
    empty = stratified[..., :0] if importance is None else importance.reshape(n, rays, -1)
    return RayDraws(stratified, empty)


def drawn_camera(config: dict, form: str, yaw: Tensor, pitch: Tensor) -> Camera:
    """Return the prior cameras of recorded draws: normal ones, uniform ones, or four normal ones of which
    the first within two deviations counts.
    """
    prior = CameraPrior(**{k: v for k, v in camera_prior(config, form).items() if k != "type"})
    u = torch.full((len(yaw), 8), 0.5, dtype=torch.float64)
    for column, draw in enumerate((yaw, pitch)):
        u[:, column] = quantiles(form, draw.double()[:, 0])
    return prior.from_uniform(u)


def quantiles(form: str, draw: Tensor) -> Tensor:
    """Return the uniform numbers from which our distributions make the same sample."""
    if form == "truncated":
        inside = draw.abs() < 2
        draw = draw.gather(-1, inside.float().argmax(dim=-1, keepdim=True))[..., 0]
        low, high = torch.special.ndtr(torch.tensor([-2.0, 2.0], dtype=torch.float64))
        return (torch.special.ndtr(draw) - low) / (high - low)
    return torch.special.ndtr(draw) if form == "gaussian" else draw


def gradient_table(module: nn.Module, names: list[str]) -> tuple[Tensor, Tensor]:
    """Norms of gradients, and their inner products with the parameters; NaN where there is no gradient."""
    parameters, rows = dict(module.named_parameters()), []
    for name in names:
        p = parameters[ours(name, len(getattr(module, "blocks", ())))]
        rows.append([torch.nan] * 2 if p.grad is None else [p.grad.norm(), (p.grad * p.detach()).sum()])
    norms, dots = torch.tensor(rows, dtype=torch.float64).unbind(dim=1)
    return norms, dots
