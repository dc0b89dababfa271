"""Snapshots of the release as checkpoints of our own kind, and our weights under the official names."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from mmagic.registry import MODELS
from mmengine.config import Config
from mmengine.registry import init_default_scope
from safetensors.torch import save_file
from torch import Tensor

from ..apis.loading import load_model
from ..engine.checkpoint_loading import meta_of, read_checkpoint
from ..errors import blame
from ..training.threedgp import ThreeDGP
from ..whole_files import whole_file
from ..wording import counted
from .config import model_config, not_carried_over, optimizer_config
from .names import export_official, is_derived, load_official
from .snapshot import OfficialSnapshot, read_official_snapshot

# Carries data, runtime and evaluation; the model in it is replaced.
BASE_CONFIG = Path(__file__).resolve().parents[3] / "configs" / "3dgp_imagenet256.py"
FEATURE_BIAS = "b4.feat_out.1.bias"
PROGRESS = "synthesis.depth_adaptor.progress_coef"


def from_official(snapshot_path: str, out: Path) -> Iterator[str]:
    """Convert a training snapshot; its config is written beside it, under the same name with .py.

    Args:
        snapshot_path: The snapshot.
        out: The checkpoint.

    Yields:
        What was done, line by line.
    """
    snapshot = read_official_snapshot(snapshot_path)
    with blame(snapshot_path, Exception):  # what is damaged may ask for anything
        config = derive_config(snapshot)
        checkpoint = make_checkpoint(snapshot, config)
    with whole_file(out) as passing:
        torch.save(checkpoint, passing)
    with whole_file(out.with_suffix(".py")) as passing:
        passing.write_text(config.pretty_text, encoding="utf-8")
    for setting in not_carried_over(snapshot.config):
        yield f"not carried over (training only): {setting}"
    yield f"checkpoint: {out} ({counted(snapshot.images_seen, 'image')} seen)"
    yield f"config:     {out.with_suffix('.py')}"


def to_official(config_path: str | None, checkpoint_path: str, out: Path) -> Iterator[str]:
    """Write the weights of a checkpoint under the official names.

    Args:
        config_path: The config of the training; None for the one the checkpoint knows.
        checkpoint_path: The checkpoint.
        out: The safetensors file.

    Yields:
        What was done.
    """
    model, _ = load_model(config_path, checkpoint_path, "cpu")
    meta = meta_of(read_checkpoint(checkpoint_path))
    tensors = official_tensors(model, meta.get("official_derived") or {})
    about = {"format": "pt", "images_seen": str(model.images_seen.item())}
    with whole_file(out) as passing:
        save_file(tensors, passing, metadata=about)
    yield f"{len(tensors)} tensors: {out}"


def derive_config(snapshot: OfficialSnapshot) -> Config:
    """The whole config: the stored model and optimisers, our data, runtime and evaluation."""
    config = Config.fromfile(BASE_CONFIG)
    for name in [name for name in config if name.startswith("_")]:
        config.pop(name)
    head = snapshot.discriminator.get(FEATURE_BIAS)
    config.model = model_config(snapshot.config, None if head is None else len(head))
    config.optim_wrapper = optimizer_config(snapshot.config)
    generator = config.model.generator
    data = dict(
        resolution=generator.image_size,
        conditional=config.model.num_classes is not None,
        use_depth=generator.depth_adaptor is not None,
    )
    config.train_dataloader.dataset.update(data)
    if config.model.distillation is None:
        config.train_dataloader.dataset.features = None
    for loader in (config.val_dataloader, config.test_dataloader):
        loader.dataset.update(data, use_depth=False)
    config.resolution = generator.image_size
    return config


def make_checkpoint(snapshot: OfficialSnapshot, config: Config) -> dict[str, Any]:
    """The snapshot's weights under our names.

    Tensors that follow from config and time (`meta.official_derived`) are not part of our model, and are
    kept only so that they can be given back as they were.

    Raises:
        ValueError: If a network's tensors do not map one to one; all that do not are listed.
    """
    init_default_scope("mmagic")
    model: ThreeDGP = MODELS.build(config.model)
    parts = {
        "G": (model.generator, snapshot.generator),
        "G_ema": (model.generator_ema.module, snapshot.generator_ema),
        "D": (model.discriminator, snapshot.discriminator),
    }
    problems = []
    for name, (module, state) in parts.items():
        try:
            load_official(module, state)
        except ValueError as error:
            problems.append(f"{name}: {error}")
    if problems:
        raise ValueError("the snapshot does not map:\n" + "\n".join(problems))
    model.images_seen.fill_(snapshot.images_seen)
    batch_size = int(snapshot.config["training"].get("batch_size") or 1)
    # Not 0, at which the average starts anew from the generator.
    model.generator_ema.steps.fill_(max(snapshot.images_seen // batch_size, 1))
    derived = {
        name: {key: value for key, value in state.items() if is_derived(key) and "filter" not in key}
        for name, (_, state) in parts.items()
    }
    meta = dict(official_derived=derived, official_config=snapshot.config, dataset_meta={})
    return dict(meta=meta, state_dict=model.state_dict())


def official_tensors(model: ThreeDGP, derived: dict[str, dict[str, Tensor]]) -> dict[str, Tensor]:
    """All tensors of the official networks, each under its network's prefix.

    Args:
        model: The model.
        derived: Values of derived tensors, where the weights come from a snapshot and are unchanged.
    """
    networks = {"G": model.generator, "D": model.discriminator}
    if model.with_ema_gen:
        networks["G_ema"] = model.generator_ema.module
    tensors: dict[str, Tensor] = {}
    for network, module in networks.items():
        if module is None:
            continue
        state = export_official(module)
        if PROGRESS in state:
            state[PROGRESS] = adaptor_progress(model)
        state |= derived.get(network, {})
        tensors |= {f"{network}.{name}": value.detach().clone() for name, value in state.items()}
    return tensors


def adaptor_progress(model: ThreeDGP) -> Tensor:
    """The depth adaptor's place in its schedule, which the official networks keep in a buffer."""
    length = model.generator.depth_adaptor.identity_prob.over_kimg
    return torch.tensor([min(model.kimg / length, 1.0) if length else 1.0])
