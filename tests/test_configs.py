"""Every shipped config of a 3D system, at reduced size, trains for two iterations and is evaluated."""

import inspect
from collections.abc import Mapping
from dataclasses import asdict, fields, is_dataclass
from pathlib import Path

import pytest
from mmagic.registry import MODELS
from mmengine.config import Config
from mmengine.runner import Runner

from projects.threedgp.engine.launch import run_test
from projects.threedgp.engine.run_config import redirect_data_root
from projects.threedgp.rendering import RayMarching
from tests import tiny_runs

FOLDER = Path(__file__).resolve().parents[1] / "configs"
SYSTEMS = ("3dgp", "eg3d", "epigraf", "stylenerf", "volumegan")
CONFIGS = sorted(path for system in SYSTEMS for path in FOLDER.glob(f"{system}_*.py"))
WIDTHS = dict(cbase=256, cmax=16)
SMALLER = {
    "model.generator.image_size": 32,
    "model.generator.patch_size": 16,
    "model.generator.noise_size": 16,
    "model.generator.mapping.w_dim": 16,
    "model.generator.renderer.num_coarse": 4,
    "model.generator.renderer.num_fine": 4,
    "model.discriminator.cbase": 256,
    "model.discriminator.cmax": 16,
    "train_dataloader.batch_size": 4,
    "train_dataloader.num_workers": 0,
    "train_dataloader.persistent_workers": False,
    "train_dataloader.dataset.resolution": 32,
    "train_cfg.total_kimg": 0.008,
    "default_hooks.logger.interval": 1,
    "default_hooks.checkpoint.save_best": None,
}
SMALLER_FIELDS = {
    "TriPlaneField": dict(resolution=16, feature_dim=4, **WIDTHS),
    "FeatureVolumeField": dict(resolution=8, feature_dim=4, max_channels=8, hidden_dim=8, out_channels=6),
    "ImplicitField": dict(hidden_dim=8, num_layers=2, feature_dim=6, latent_dim=4, background_dim=8),
}
SMALLER_UPSAMPLERS = {
    "PointwiseUpsampler": dict(image_size=32, render_size=8, **WIDTHS),
    "SuperResolution": dict(input_size=16, channels=(8, 8), up=(False, True), render_size=8),
    "StyleNeRFUpsampler": dict(image_size=32, render_size=16, start_size=8, **WIDTHS),
}
SMALLER_EVALUATION = {
    "{0}_dataloader.batch_size": 4,
    "{0}_dataloader.num_workers": 0,
    "{0}_dataloader.persistent_workers": False,
    "{0}_dataloader.dataset.resolution": 32,
    "{0}_evaluator.metrics": [dict(type="NonFlatnessScore", fake_nums=4)],
}
# A timm network with random weights stands in for the teacher whose features are precomputed.
TEACHER = {
    "train_dataloader.dataset.features": None,
    "model.teacher": dict(type="TimmTeacher", model="test_resnet", image_size=32),
    "model.discriminator.feature_dim": 96,
}


def reduced(path: Path, data_root: str, work_dir: Path) -> Config:
    """The config with smaller numbers: nothing is replaced but sizes, lengths and weights' files."""
    config = Config.fromfile(path)
    redirect_data_root(config, data_root)
    config.merge_from_dict(SMALLER)
    generator = config.model.generator
    generator.field.update(SMALLER_FIELDS[generator.field.type])
    generator.mapping.z_dim = generator.noise_size - generator.field.get("latent_dim", 0)
    if upsampler := generator.get("upsampler"):
        upsampler.update(SMALLER_UPSAMPLERS[upsampler.type])
    for loop in ("val", "test"):
        if config.get(f"{loop}_dataloader"):
            config.merge_from_dict({key.format(loop): value for key, value in SMALLER_EVALUATION.items()})
    if config.model.get("distillation"):
        config.merge_from_dict(TEACHER)
    if config.model.patch_sampler is None:
        config.model.generator.patch_size = None
    if config.model.num_classes:
        config.model.num_classes = tiny_runs.CLASSES
    config.work_dir = str(work_dir)
    config.experiment_name = f"{work_dir.name}_{path.stem}"
    return config


# Where the flagship says what its part's default is not, and why.
NO_DEFAULTS = {
    "model.num_classes": "of the data set; the model alone has none",
    "model.data_preprocessor": "of the toolkit, which has none by default",
    "model.data_preprocessor.output_channel_order": "of the toolkit, which leaves BGR as it is",
    "model.discriminator": "a model that only samples has none",
    "model.generator.depth_adaptor.identity_prob": "follows num_layers, see the test below",
}


def settings(node, place="model"):
    """Every setting of a config: its place, what it is set to, and the default of its component."""
    if isinstance(node, list):
        for index, each in enumerate(node):
            yield from settings(each, f"{place}.{index}")
    if not isinstance(node, dict) or "type" not in node:
        return
    defaults = defaults_of(MODELS.get(node["type"]))
    for key, value in node.items():
        if key != "type":
            yield f"{place}.{key}", value, defaults[key]
            yield from settings(value, f"{place}.{key}")


def defaults_of(component):
    """Default of each argument; a renderer passes those of ``RayMarching`` on."""
    parameters = inspect.signature(component).parameters.values()
    defaults = {each.name: each.default for each in parameters}
    return {each.name: each.default for each in fields(RayMarching)} | defaults


def plain(value):
    """A value as a config writes it; of a part only its type, since its settings have places of their own."""
    if is_dataclass(value) and not isinstance(value, type):
        value = asdict(value)
        if not value.get("from_kimg", 1):
            del value["from_kimg"]  # a ramp that begins at once
    if isinstance(value, Mapping):
        return value["type"] if "type" in value else {key: plain(each) for key, each in value.items()}
    return [plain(each) for each in value] if isinstance(value, list | tuple) else value


def test_defaults_of_components_are_the_flagships():
    flagship = Config.fromfile(CONFIGS[0].parent / "_base_" / "3dgp_model.py").model.to_dict()
    said = {
        place: (plain(value), plain(default))
        for place, value, default in settings(flagship)
        if default is not inspect.Parameter.empty
    }
    others = {place: both for place, both in said.items() if both[0] != both[1]}
    assert len(said) > 60 and others.keys() == NO_DEFAULTS.keys(), others


def test_the_flagships_depth_passes_unchanged_as_often_as_by_default():
    config = Config.fromfile(CONFIGS[0].parent / "_base_" / "3dgp_model.py").model.generator.depth_adaptor
    default = MODELS.build(dict(type=config.type))
    assert MODELS.build(config).identity_prob == default.identity_prob


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_trains_two_iterations(path, tmp_path):
    data_root = tiny_runs.write_images(tmp_path / "data")
    runner = Runner.from_cfg(reduced(path, data_root, tmp_path / "work"))
    runner.train()
    assert runner.iter == 2
    assert runner.model.images_seen == 8
    assert 1 <= run_test(runner)["NFS/nfs"] <= 64
    logged = runner.message_hub.log_scalars
    assert "train/loss_g_adv" in logged and "train/loss_d_adv" in logged
    assert ("train/loss_d_kd" in logged) == bool(runner.cfg.model.get("distillation"))
    assert (tmp_path / "work" / "last_checkpoint").exists()
