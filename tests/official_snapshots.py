"""Makes training snapshots in the authors' format: classes of their names, pickled, and gone again."""

import copy
import pickle
import sys
from contextlib import contextmanager
from types import ModuleType

import torch
from mmagic.registry import MODELS
from mmengine.registry import init_default_scope
from torch import nn

import projects.threedgp  # noqa: F401
from projects.threedgp.official.config import model_config
from projects.threedgp.official.names import export_official

FEATURE_DIM = 6

# The stored configuration of a small model, with the fields that matter and a few references.
CONFIG = dict(
    camera=dict(
        ray=dict(start=0.8, end=1.3),
        fov=dict(dist="uniform", min=12.0, max=40.0),
        origin=dict(
            radius=dict(dist="normal", mean=1.05, std=0.0),
            angles=dict(
                dist="truncnorm",
                yaw=dict(min=-1.0, max=1.0, mean=0.0, std=0.4),
                pitch=dict(min=1.0, max=2.0, mean=1.5, std=0.2),
            ),
        ),
        look_at=dict(
            radius=dict(dist="uniform", min=0.05, max=0.2),
            angles=dict(
                dist="spherical_uniform",
                yaw=dict(min=-3.14, max=3.14),
                pitch=dict(min=0.3, max=3.14),
            ),
        ),
        cube_scale=0.45,
    ),
    model=dict(
        generator=dict(
            cmax=8,
            cbase=32,
            fmaps=2.0,
            optim=dict(grad_clip=None, kwargs=dict(lr=0.0025, betas=[0.0, 0.99], eps=1e-8)),
            camera="${camera}",
            w_dim=12,
            z_dim=10,
            c_dim="${dataset.c_dim}",
            map_depth=2,
            use_inf_depth=True,
            density_bias=0.0,
            depth_adaptor=dict(
                enabled="${training.use_depth}",
                kernel_size=3,
                hid_dim=4,
                num_hid_layers=2,
                out_strategy="random",
                selection_start_p=0.2,
                anneal_kimg=1000,
                near_plane_offset_max_fraction=0.3,
                near_plane_offset_bias=-2.0,
            ),
            camera_adaptor=dict(
                enabled="${training.learn_camera_dist}",
                residual=False,
                lipschitz_weights=dict(enabled=False),
                emd=dict(
                    enabled=True,
                    anneal_kimg=500,
                    num_samples=32,
                    origin=2.0,
                    radius=0.5,
                    fov=0.01,
                    look_at=0.02,
                ),
                lr_multiplier=0.2,
                hid_dim=8,
                embed_dim=4,
                adjust=dict(angles=True, radius=False, fov=True, look_at=True),
                force_mean_weight=5.0,
            ),
            ema_kimg=1.25,
            ema_rampup=0.1,
            num_ray_steps=5,
            ray_marcher_type="classical",
            nerf_noise_std_init=0.7,
            nerf_noise_kimg_growth=300,
            tri_plane=dict(res=8, feat_dim=4, mlp=dict(n_layers=2, hid_dim=6)),
        ),
        discriminator=dict(
            fp32_only=True,
            cmax=8,
            cbase=64,
            fmaps=1.0,
            num_additional_start_blocks=1,
            logits_clamp_val=1e6,
            mbstd_group_size=4,
            hyper_mod=True,
            optim=dict(kwargs=dict(lr=0.002, betas=[0.0, 0.99], eps=1e-8)),
        ),
        loss_kwargs=dict(
            adv_loss_type="non_saturating",
            pl_weight=0.0,
            blur_fade_kimg=20,
            blur_init_sigma=4,
            gamma=0.3,
            kd=dict(discr=dict(weight=0.5, anneal_kimg=700, loss_type="l2")),
        ),
    ),
    training=dict(
        batch_size=4,
        use_depth=True,
        learn_camera_dist=True,
        patch=dict(
            enabled=True,
            patch_params_cond=True,
            min_scale_trg=0.5,
            max_scale=1.0,
            anneal_kimg=900,
            resolution=8,
            mbstd_group_size="${model.discriminator.mbstd_group_size}",
            distribution="beta",
            alpha=1.0,
            beta_val_start=0.001,
            beta_val_end=0.8,
        ),
        augment=dict(mode="noaug"),
        name="patch_${training.patch.resolution}_of_${dataset.resolution}",
    ),
    dataset=dict(c_dim=3, resolution=16, white_back=False, last_back=True),
)


def resolved_config() -> dict:
    """CONFIG with its references replaced by hand."""
    config = copy.deepcopy(CONFIG)
    generator, training = config["model"]["generator"], config["training"]
    generator["camera"] = copy.deepcopy(config["camera"])
    generator["c_dim"] = config["dataset"]["c_dim"]
    generator["depth_adaptor"]["enabled"] = generator["camera_adaptor"]["enabled"] = True
    training["patch"]["mbstd_group_size"] = 4
    training["name"] = "patch_8_of_16"
    return config


def official_states(seed: int = 0) -> dict[str, dict]:
    """Random weights of G, G_ema and D of CONFIG, under their official names."""
    init_default_scope("mmagic")
    torch.manual_seed(seed)
    model = MODELS.build(model_config(resolved_config(), FEATURE_DIM))
    networks = dict(G=model.generator, G_ema=model.generator_ema.module, D=model.discriminator)
    for module in networks.values():
        for parameter in module.parameters():
            parameter.data += 0.1 * torch.randn_like(parameter)
    states = {name: export_official(module) for name, module in networks.items()}
    states["G"]["synthesis.depth_adaptor.progress_coef"] = torch.tensor(8e-6)
    states["G_ema"]["synthesis.depth_adaptor.progress_coef"] = torch.tensor([4e-6])
    return states


@contextmanager
def official_classes():
    """The authors' modules, as far as a pickle names them, in place of what may be installed."""
    modules = {}

    def define(module, name, **members):
        made = type(name, members.pop("bases", ()), dict(members, __module__=module))
        setattr(modules.setdefault(module, ModuleType(module)), name, made)
        return made

    def rebuild(meta):
        raise AssertionError("never called")

    rebuild.__module__, rebuild.__qualname__ = "torch_utils.persistence", "_reconstruct_persistent_obj"
    rebuild.__name__ = "_reconstruct_persistent_obj"
    modules["torch_utils.persistence"] = ModuleType("torch_utils.persistence")
    modules["torch_utils.persistence"]._reconstruct_persistent_obj = rebuild
    classes = dict(
        rebuild=rebuild,
        discriminator=define("training.networks_discriminator", "Discriminator"),
        easy_dict=define("dnnlib.util", "EasyDict", bases=(dict,)),
        dict_config=define("omegaconf.dictconfig", "DictConfig"),
        list_config=define("omegaconf.listconfig", "ListConfig"),
        any_node=define("omegaconf.nodes", "AnyNode"),
    )
    parents = {name.partition(".")[0] for name in modules} - modules.keys()
    modules |= {name: ModuleType(name) for name in parents}
    before = {name: sys.modules.get(name) for name in modules}
    sys.modules.update(modules)
    try:
        yield classes
    finally:
        for name, module in before.items():
            if module is None:
                del sys.modules[name]
            else:
                sys.modules[name] = module


def make_record(cls, **state):
    """An object of a class, with attributes."""
    record = cls()
    record.__dict__.update(state)
    return record


def config_record(classes, value, parent=None):
    """A value as omegaconf keeps it: containers and leaves that know their parents."""
    if not isinstance(value, dict | list):
        return make_record(classes["any_node"], _val=value, _parent=parent)
    kind = classes["dict_config" if isinstance(value, dict) else "list_config"]
    record = make_record(kind, _parent=parent)
    if isinstance(value, dict):
        content = {key: config_record(classes, each, record) for key, each in value.items()}
    else:
        content = [config_record(classes, each, record) for each in value]
    record._content = content
    return record


class Persistent:
    """Pickles as the authors' persistent objects do: source that would be executed, and a state."""

    def __init__(self, rebuild, name, state):
        self.rebuild = rebuild
        self.meta = dict(type="class", version=6, module_src="raise SystemExit", class_name=name, state=state)

    def __reduce__(self):
        return self.rebuild, (self.meta,)


def module_state(classes, tensors, **attributes):
    """The ``__dict__`` of a module that holds these tensors, with its children as persistent objects."""
    own = {name: tensor for name, tensor in tensors.items() if "." not in name}
    buffers = ("resample_filter", "w_avg", "noise_const", "progress_coef", "mean_camera_params")
    buffers = [name for name in own if name in (*buffers, "fourier_coefs")]
    children = dict.fromkeys(name.partition(".")[0] for name in tensors if "." in name)
    return dict(
        training=False,
        _parameters={k: nn.Parameter(v) for k, v in own.items() if k not in buffers} | {"none": None},
        _buffers={name: own[name] for name in buffers} | {"scratch": torch.ones(3)},
        _non_persistent_buffers_set={"scratch"},
        _modules={
            child: Persistent(
                classes["rebuild"],
                "Layer",
                module_state(
                    classes,
                    {
                        name.removeprefix(child + "."): tensor
                        for name, tensor in tensors.items()
                        if name.startswith(child + ".")
                    },
                ),
            )
            for child in children
        },
        **attributes,
    )


def snapshot_bytes(states: dict[str, dict], config: dict = CONFIG, protocol: int = 4, **more) -> bytes:
    """A snapshot of these weights after 8 images; ``more`` are further entries."""
    with official_classes() as classes:
        root = config_record(classes, config)
        model = root._content["model"]._content
        parts = {name: module_state(classes, states[name], cfg=model["generator"]) for name in ("G", "G_ema")}
        data = {name: Persistent(classes["rebuild"], "Generator", part) for name, part in parts.items()}
        state = module_state(classes, states["D"], cfg=model["discriminator"])
        data["D"] = make_record(classes["discriminator"], **state)
        stats = classes["easy_dict"](cur_nimg=8, cur_tick=1)
        optimiser = torch.optim.Adam([nn.Parameter(torch.ones(2))])
        return pickle.dumps(dict(data, stats=stats, G_opt=optimiser, **more), protocol=protocol)
