"""The golden files of the reference, and our networks with the reference's weights."""

import json
import os
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from projects.threedgp.models.discriminators.discriminator import ThreeDGPDiscriminator
from projects.threedgp.models.generator import ThreeDGPGenerator
from projects.threedgp.official.names import load_official, ours_to_official
from projects.threedgp.rendering import Camera, Patch, RayDraws

GOLDEN = Path(os.environ.get("THREEDGP_GOLDEN", Path(__file__).parent / "data"))
BASELINES = os.environ.get("THREEDGP_GOLDEN_BASELINES")


def golden_file(name: str) -> Path:
    """Find a golden file, ``case_...`` or ``SYSTEM/case_...``.

    Of the other systems only a part lies here; THREEDGP_GOLDEN_BASELINES names the folder of all of them.
    """
    path = GOLDEN / f"{name}.npz"
    if not path.exists() and BASELINES:
        path = Path(BASELINES) / f"{name.replace('/', '_')}.npz"
    if not path.exists():
        pytest.skip(f"{name}.npz: not among the golden files that lie here")
    return path


class Case:
    """One golden file: inputs and draws by name, and a comparison that keeps book.

    Args:
        name: Name of the file without its ending.
        book: Rows (case, array, atol, max error, atol_mean, mean error) are appended to it.
    """

    def __init__(self, name: str, book: list | None = None) -> None:
        self.name, self.book = name, [] if book is None else book
        self.arrays = np.load(golden_file(name))
        meta = json.loads(str(self.arrays["meta_json"]))
        self.config, self.values = meta["config"], meta["case_values"]
        self.tolerance = meta["tolerance"]

    def __contains__(self, key: str) -> bool:
        return key in self.arrays.files

    def __getitem__(self, key: str) -> Tensor:
        return torch.from_numpy(self.arrays[key])

    def names(self, key: str) -> list[str]:
        """Return an array of strings."""
        return [str(name) for name in self.arrays[key]]

    def label(self, key: str = "in_c") -> Tensor | None:
        """Return a label, or None where the network has no classes."""
        return self[key] if self[key].shape[1] else None

    def camera(self, prefix: str = "in_") -> Camera:
        """Pack a camera that is stored in parts."""
        column = self[f"{prefix}fov"][:, None], self[f"{prefix}radius"][:, None]
        parts = [self[f"{prefix}angles"], *column, self[f"{prefix}look_at"]]
        return Camera(torch.cat(parts, dim=1))

    def patch(self, prefix: str = "in_") -> Patch:
        """Return stored patch parameters."""
        return Patch(self[f"{prefix}patch_scales"], self[f"{prefix}patch_offsets"])

    def ray_draws(self, prefix: str, noise: float = 0.0) -> RayDraws:
        """Return recorded draws; normal ones are multiplied by ``noise``."""
        stratified = self[f"{prefix}u_stratified"].squeeze(-1)
        n, rays = stratified.shape[:2]
        if f"{prefix}u_importance" in self:
            importance = self[f"{prefix}u_importance"].reshape(n, rays, -1)
        else:
            importance = torch.zeros(n, rays, 0)
        if f"{prefix}density_noise_coarse" not in self:
            return RayDraws(stratified, importance)
        coarse, fine = (self[f"{prefix}density_noise_{p}"] for p in ("coarse", "fine"))
        return RayDraws(
            stratified,
            importance,
            noise * coarse.reshape(stratified.shape),
            noise * fine.reshape(importance.shape),
        )

    def prior_draws(self, prefix: str) -> Tensor:
        """Return the 8 uniform numbers of each prior camera; roll and radius need none."""
        names = (
            "yaw",
            "pitch",
            None,
            "fov",
            None,
            "look_at_yaw",
            "look_at_pitch",
            "look_at_radius",
        )
        n = len(self[f"{prefix}fov"])
        columns = [self[prefix + name].reshape(n) if name else torch.zeros(n) for name in names]
        return torch.stack(columns, dim=1)

    def check_columns(self, key: str, value: Tensor, rtol: float = 2e-6) -> None:
        """Compare packed cameras column by column.

        The tolerance of the whole follows the field of view (degrees) and hides errors of angles.
        """
        expected = self[key].double()
        error = (value.detach().double() - expected).abs().amax(dim=0)
        bound = (rtol * expected.abs().amax(dim=0)).clamp(min=1e-7)
        assert (error <= bound).all(), f"{key}: {error.tolist()} beyond {bound.tolist()}"

    def check(self, prefix: str = "out_", **results: Tensor) -> None:
        """Compare results with the stored ones: largest and mean error."""
        misses = []
        for key, value in results.items():
            key, expected = prefix + key, self[prefix + key].double()
            got = value.detach().double().reshape(expected.shape)
            assert torch.equal(got.isnan(), expected.isnan()), f"{key}: NaN in other places"
            error = (got - expected).abs().nan_to_num()
            tolerance = self.tolerance[key]
            row = (
                tolerance["atol"],
                error.max().item(),
                tolerance["atol_mean"],
                error.mean().item(),
            )
            self.book.append((self.name, key, *row))
            if row[1] > row[0] or row[3] > row[2]:
                misses.append(
                    f"{key}: max {row[1]:.2e} (tol {row[0]:.2e}), mean {row[3]:.2e} (tol {row[2]:.2e})"
                )
        assert not misses, f"{self.name}:\n" + "\n".join(misses)


def _parameters(network: str, conditional: bool) -> dict[str, Tensor]:
    """Read stored weights; those without labels inherit what they do not store."""
    files = [np.load(GOLDEN / f"params_{network}.npz")]
    if not conditional:
        files.insert(0, np.load(GOLDEN / f"params_{network}_uncond.npz"))
    names = json.loads(str(files[0]["meta_json"]))["tensors"]
    found = {name: next(f for f in files if name in f.files)[name] for name in names}
    return {name: torch.from_numpy(value) for name, value in found.items()}


def _config() -> dict:
    return json.loads(str(np.load(GOLDEN / "params_G.npz")["meta_json"]))["config"]


def camera_prior_config(camera: dict) -> dict:
    """Translate the stored camera configuration."""

    def angles(part: dict) -> list[dict]:
        dist = part["angles"]["dist"]
        return [
            dict(dist=dist, min=part["angles"][axis]["min"], max=part["angles"][axis]["max"])
            for axis in ("yaw", "pitch")
        ]

    (yaw, pitch), (look_at_yaw, look_at_pitch) = angles(camera["origin"]), angles(camera["look_at"])
    return dict(
        type="CameraPrior",
        yaw=yaw,
        pitch=pitch,
        fov_deg=camera["fov"],
        radius=camera["origin"]["radius"]["mean"],
        look_at_yaw=look_at_yaw,
        look_at_pitch=look_at_pitch,
        look_at_radius=camera["look_at"]["radius"],
    )


def golden_generator(conditional: bool = True, marcher: str = "classical") -> ThreeDGPGenerator:
    """Build the small generator of the reference, with its weights, in evaluation mode."""
    config = _config()
    g, camera = config["generator"], config["camera"]
    pose, depth = g["camera_adaptor"], g["depth_adaptor"]
    generator = ThreeDGPGenerator(
        image_size=config["resolution"],
        patch_size=config["patch"]["resolution"],
        num_classes=config["c_dim"] if conditional else None,
        noise_size=g["z_dim"],
        mapping=dict(w_dim=g["w_dim"], num_layers=g["map_depth"]),
        field=dict(
            resolution=g["tri_plane"]["res"],
            feature_dim=g["tri_plane"]["feat_dim"],
            cbase=g["cbase"],
            cmax=g["cmax"],
            mlp_hidden_dim=g["tri_plane"]["mlp"]["hid_dim"],
            cube_scale=camera["cube_scale"],
        ),
        renderer=dict(
            near=camera["ray"]["start"],
            far=camera["ray"]["end"],
            num_coarse=g["num_ray_steps"],
            num_fine=g["num_ray_steps"],
            marcher=marcher,
            use_inf_depth=g["use_inf_depth"],
            last_back=config["last_back"],
            white_back=config["white_back"],
            density_noise=dict(
                start=g["nerf_noise_std_init"], end=0.0, over_kimg=g["nerf_noise_kimg_growth"]
            ),
        ),
        camera_prior=camera_prior_config(camera),
        camera_generator=dict(
            type="CameraGenerator",
            hidden_dim=pose["hid_dim"],
            embed_dim=pose["embed_dim"],
            lr_multiplier=pose["lr_multiplier"],
            adjust=[part for part, learned in pose["adjust"].items() if learned],
        ),
        depth_adaptor=dict(
            type="DepthAdaptor",
            hidden_dim=depth["hid_dim"],
            num_layers=depth["num_hid_layers"],
            kernel_size=depth["kernel_size"],
            near_offset_fraction=depth["near_plane_offset_max_fraction"],
            near_offset_init=depth["near_plane_offset_bias"],
            identity_prob=dict(
                start=1 / (depth["num_hid_layers"] + 1),
                end=depth["selection_start_p"],
                over_kimg=depth["anneal_kimg"],
            ),
            strategy=depth["out_strategy"],
        ),
    )
    load_official(generator, _parameters("G", conditional))
    return generator.eval()


def golden_discriminator(conditional: bool = True) -> ThreeDGPDiscriminator:
    """Build the small discriminator of the reference, with its weights."""
    config = _config()
    d = config["discriminator"]
    discriminator = ThreeDGPDiscriminator(
        image_size=config["resolution"],
        patch_size=config["patch"]["resolution"],
        num_classes=config["c_dim"] if conditional else None,
        in_channels=3 + config["use_depth"],
        cbase=d["cbase"],
        cmax=d["cmax"],
        patch_conditioning=config["patch"]["patch_params_cond"],
        code_dim=d["hyper_mod_dim"],
        patch_embed_dim=d["patch_scalar_embed_dim"],
        feature_dim=config["embedding_dim"],
        mbstd_group_size=d["mbstd_group_size"],
        clamp=float(d["conv_clamp"]),
    )
    load_official(discriminator, _parameters("D", conditional))
    return discriminator


def official_gradients(module: nn.Module, network: str) -> dict[str, Tensor | None]:
    """Return the gradient of every parameter under its official name."""
    size = module.image_size
    return {ours_to_official(name, network, size): p.grad for name, p in module.named_parameters()}
