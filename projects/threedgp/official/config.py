"""Our configuration of a model that the authors' code trained, from the configuration it stored."""

import math
from collections.abc import Mapping
from typing import Any

# Properties that all released models share and ours have built in; a snapshot with others is refused.
_BUILT_IN: dict[str, tuple[Any, ...]] = {
    "model.generator.architecture": ("skip",),
    "model.generator.conv_kernel": (3,),
    "model.generator.use_noise": (True,),
    "model.generator.use_radial_filters": (False,),
    "model.generator.use_full_box": (False,),
    "model.generator.clamp_mode": ("softplus",),
    "model.generator.camera_cond": (False,),
    "model.generator.has_view_cond": (False,),
    "model.generator.tri_plane.mlp.n_layers": (2,),
    "model.generator.camera_adaptor.residual": (False,),
    "model.generator.ray_marcher_type": ("classical", "mip"),
    "model.discriminator.camera_cond": (False,),
    "model.loss_kwargs.adv_loss_type": ("non_saturating", "hinge"),
}
# Parts of training that ours lacks or does otherwise; named to the user, as sampling does not need them.
_NOT_CARRIED_OVER: dict[str, tuple[Any, ...]] = {
    "model.generator.camera_adaptor.lipschitz_weights.enabled": (False,),
    "model.generator.ema_start_kimg": (0,),
    "model.generator.optim.grad_clip": (None,),
    "model.generator.optim.kwargs.weight_decay": (0,),
    "model.discriminator.optim.kwargs.weight_decay": (0,),
    "model.loss_kwargs.pl_weight": (0,),
    "training.augment.mode": ("noaug",),
    "training.blur_real_depth_sigma": (0,),
}
_R1_INTERVAL = 16
_KEYS_OF = {
    "normal": ("mean", "std"),
    "truncnorm": ("mean", "std", "min", "max"),
}
_MISSING = object()


def model_config(stored: Mapping[str, Any], feature_dim: int | None) -> dict[str, Any]:
    """Derive the config of a ``ThreeDGP``.

    Args:
        stored: The stored configuration, with its references resolved.
        feature_dim: Width of the discriminator's feature head; None without one.

    Raises:
        ValueError: If the model has properties that ours has not, or a field is missing. All are listed.
    """
    get = _Fields(stored)
    problems = _deviations(get, _BUILT_IN)
    additional = get("model.discriminator.num_additional_start_blocks", None)
    size, patch = get("dataset.resolution"), _patch_size(get)
    if additional not in (None, int(math.log2(size / patch))):
        problems.append(f"model.discriminator.num_additional_start_blocks: got {additional}")
    if problems:
        raise ValueError("the stored configuration is of another model:\n  " + "\n  ".join(problems))
    with_camera = bool(get("training.learn_camera_dist"))
    return dict(
        type="ThreeDGP",
        num_classes=get("dataset.c_dim") or None,
        data_preprocessor=dict(type="DataPreprocessor", output_channel_order="RGB"),
        generator=_generator(get),
        discriminator=_discriminator(get, feature_dim),
        adversarial_loss=_adversarial(get),
        r1=_r1(get),
        distillation=_distillation(get) if feature_dim else None,
        camera_regularizers=_regularizers(get) if with_camera else [],
        patch_sampler=_patch_sampler(get) if _has_patches(get) else None,
        blur_fade=_blur(get),
        ema_config=_ema(get),
    )


def optimizer_config(stored: Mapping[str, Any]) -> dict[str, Any]:
    """Derive ``optim_wrapper``; the discriminator's is corrected for the lazy R1 penalty."""
    get = _Fields(stored)

    def wrapper(network: str, correction: float) -> dict[str, Any]:
        given = get(f"model.{network}.optim.kwargs")
        betas = tuple(float(beta) ** correction for beta in given["betas"])
        optimizer = dict(type="Adam", lr=given["lr"] * correction, betas=betas, eps=given["eps"])
        return dict(type="OptimWrapper", optimizer=optimizer)

    lazy = 1.0 if _r1(get) is None else _R1_INTERVAL / (_R1_INTERVAL + 1)
    return dict(
        constructor="MultiOptimWrapperConstructor",
        generator=wrapper("generator", 1.0),
        discriminator=wrapper("discriminator", lazy),
    )


def not_carried_over(stored: Mapping[str, Any]) -> list[str]:
    """Name the settings of the original training that our config does not have."""
    return _deviations(_Fields(stored), _NOT_CARRIED_OVER)


class _Fields:
    """Fields of nested dicts by their path."""

    def __init__(self, values: Mapping[str, Any]) -> None:
        self.values = values

    def __call__(self, path: str, default: Any = _MISSING) -> Any:
        node: Any = self.values
        for key in path.split("."):
            node = node.get(key, _MISSING) if isinstance(node, Mapping) else _MISSING
        if node is _MISSING and default is _MISSING:
            raise ValueError(f"stored configuration: {path} is missing")
        return default if node is _MISSING else node


def _deviations(get: _Fields, table: Mapping[str, tuple[Any, ...]]) -> list[str]:
    """Compare with a table; a field that is missing has the value that was built in then."""
    found = {path: (get(path, wanted[0]), wanted) for path, wanted in table.items()}
    return [f"{p}: got {got!r}, wanted {w[0]!r}" for p, (got, w) in found.items() if got not in w]


def _has_patches(get: _Fields) -> bool:
    return bool(get("training.patch.enabled", True))


def _patch_size(get: _Fields) -> int:
    return get("training.patch.resolution") if _has_patches(get) else get("dataset.resolution")


def _channels(get: _Fields, network: str) -> dict[str, int]:
    cbase, fmaps = get(f"model.{network}.cbase"), get(f"model.{network}.fmaps", 1.0)
    return dict(cbase=int(cbase * fmaps), cmax=get(f"model.{network}.cmax"))


def _generator(get: _Fields) -> dict[str, Any]:
    def own(path: str) -> Any:
        return get(f"model.generator.{path}")

    return dict(
        type="ThreeDGPGenerator",
        image_size=get("dataset.resolution"),
        patch_size=_patch_size(get),
        noise_size=own("z_dim"),
        mapping=dict(type="StyleMapping", w_dim=own("w_dim"), num_layers=own("map_depth")),
        field=dict(
            type="TriPlaneField",
            resolution=own("tri_plane.res"),
            feature_dim=own("tri_plane.feat_dim"),
            **_channels(get, "generator"),
            mlp_hidden_dim=own("tri_plane.mlp.hid_dim"),
            cube_scale=get("camera.cube_scale"),
        ),
        renderer=dict(
            type="VolumeRenderer",
            near=get("camera.ray.start"),
            far=get("camera.ray.end"),
            num_coarse=own("num_ray_steps"),
            num_fine=own("num_ray_steps"),
            marcher=own("ray_marcher_type"),
            use_inf_depth=own("use_inf_depth"),
            last_back=get("dataset.last_back"),
            white_back=get("dataset.white_back"),
            density_bias=get("model.generator.density_bias", 0.0),
            density_noise=_schedule(own("nerf_noise_std_init"), 0.0, own("nerf_noise_kimg_growth")),
        ),
        camera_prior=_camera_prior(get),
        camera_generator=_camera_generator(get) if get("training.learn_camera_dist") else None,
        depth_adaptor=_depth_adaptor(get) if get("training.use_depth") else None,
    )


def _camera_prior(get: _Fields) -> dict[str, Any]:
    def angle(part: str, axis: str) -> float | dict[str, Any]:
        angles = get(f"camera.{part}.angles")
        return _distribution(dict(angles[axis], dist=angles["dist"]))

    return dict(
        type="CameraPrior",
        yaw=angle("origin", "yaw"),
        pitch=angle("origin", "pitch"),
        fov_deg=_distribution(get("camera.fov")),
        radius=_distribution(get("camera.origin.radius")),
        look_at_yaw=angle("look_at", "yaw"),
        look_at_pitch=angle("look_at", "pitch"),
        look_at_radius=_distribution(get("camera.look_at.radius")),
    )


def _distribution(given: Any) -> float | dict[str, Any]:
    """Keep what a distribution needs; one without spread is a number."""
    if not isinstance(given, Mapping):
        return float(given)
    dist = given["dist"]
    if dist == "normal" and not given["std"]:
        return float(given["mean"])
    keys = _KEYS_OF.get(dist, ("min", "max"))
    bounds = ("min", "max") if dist == "normal" and "min" in given else ()
    return dict(dist=dist, **{key: given[key] for key in (*keys, *bounds)})


def _camera_generator(get: _Fields) -> dict[str, Any]:
    own = get("model.generator.camera_adaptor")
    return dict(
        type="CameraGenerator",
        hidden_dim=own["hid_dim"],
        embed_dim=own["embed_dim"],
        lr_multiplier=own["lr_multiplier"],
        adjust=[part for part, learned in own["adjust"].items() if learned],
        official_compat=True,
    )


def _depth_adaptor(get: _Fields) -> dict[str, Any]:
    own = get("model.generator.depth_adaptor")
    layers = own["num_hid_layers"]
    return dict(
        type="DepthAdaptor",
        hidden_dim=own["hid_dim"],
        num_layers=layers,
        kernel_size=own["kernel_size"],
        near_offset_fraction=own["near_plane_offset_max_fraction"],
        near_offset_init=own["near_plane_offset_bias"],
        identity_prob=_schedule(1 / (layers + 1), own["selection_start_p"], own["anneal_kimg"]),
        strategy=own["out_strategy"],
    )


def _discriminator(get: _Fields, feature_dim: int | None) -> dict[str, Any]:
    full_precision = get("model.discriminator.fp32_only", False)
    conditioned = _has_patches(get) and get("training.patch.patch_params_cond")
    if conditioned and not get("model.discriminator.hyper_mod", True):
        raise ValueError("model.discriminator.hyper_mod: got False, wanted True where patches condition")
    return dict(
        type="ThreeDGPDiscriminator",
        **_channels(get, "discriminator"),
        patch_conditioning=bool(conditioned),
        feature_dim=feature_dim,
        mbstd_group_size=get("model.discriminator.mbstd_group_size"),
        clamp=None if full_precision else 256.0,
        low_precision_blocks=0 if full_precision else 4,
        low_precision="float16",
        official_compat=True,
    )


def _adversarial(get: _Fields) -> dict[str, Any]:
    kind = get("model.loss_kwargs.adv_loss_type", "non_saturating")
    return dict(
        type="ThreeDGPAdversarialLoss",
        form="hinge" if kind == "hinge" else "logistic",
        max_confidence=float(get("model.discriminator.logits_clamp_val", 1e7)),
    )


def _r1(get: _Fields) -> dict[str, Any] | None:
    gamma = get("model.loss_kwargs.gamma")
    return dict(type="R1Regularizer", gamma=gamma, interval=_R1_INTERVAL) if gamma else None


def _distillation(get: _Fields) -> dict[str, Any] | None:
    own = get("model.loss_kwargs.kd.discr")
    if not own["weight"]:
        return None
    weight = _schedule(own["weight"], 0.0, own["anneal_kimg"])
    return dict(type="KnowledgeDistillationLoss", form=own["loss_type"], weight=weight)


def _regularizers(get: _Fields) -> list[dict[str, Any]]:
    own = get("model.generator.camera_adaptor")
    emd, regularizers = own["emd"], []
    if emd["enabled"]:
        weights = dict(yaw=emd["origin"], pitch=emd["origin"], radius=emd["radius"], fov_deg=emd["fov"])
        weights |= {f"look_at_{name}": emd["look_at"] for name in ("yaw", "pitch", "radius")}
        ramp = _schedule(0.0, 1.0, emd["anneal_kimg"])
        samples = emd["num_samples"]
        regularizers.append(
            dict(type="CameraEMDRegularizer", weights=weights, ramp=ramp, num_samples=samples)
        )
    if own["force_mean_weight"]:
        regularizers.append(dict(type="CameraMeanRegularizer", weight=own["force_mean_weight"]))
    return regularizers


def _patch_sampler(get: _Fields) -> dict[str, Any]:
    own = get("training.patch")
    shared = dict(
        type="PatchSampler",
        distribution=own["distribution"],
        min_scale=own["min_scale_trg"],
        max_scale=own["max_scale"],
        group_size=own["mbstd_group_size"],
    )
    if own["distribution"] == "beta":
        beta = _schedule(own["beta_val_start"], own["beta_val_end"], own["anneal_kimg"])
        return dict(shared, alpha=own["alpha"], beta=beta)
    if own["distribution"] == "uniform":
        return dict(shared, min_scale=_schedule(own["max_scale"], own["min_scale_trg"], own["anneal_kimg"]))
    return dict(shared, scales=own["discrete_support"])


def _blur(get: _Fields) -> dict[str, Any] | None:
    sigma, fade = (get(f"model.loss_kwargs.{key}", 0) for key in ("blur_init_sigma", "blur_fade_kimg"))
    return dict(type="BlurFade", init_sigma=sigma, fade_kimg=fade) if sigma and fade else None


def _ema(get: _Fields) -> dict[str, Any]:
    half_life, rampup = (get(f"model.generator.{key}") for key in ("ema_kimg", "ema_rampup"))
    return dict(type="ImagesSeenEMA", half_life_kimg=half_life, rampup=rampup)


def _schedule(start: float, end: float, over_kimg: float) -> dict[str, float]:
    return dict(start=start, end=end, over_kimg=over_kimg)
