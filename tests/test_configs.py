"""Every shipped config of a 3D system, at reduced size, trains for two iterations and is evaluated."""

from pathlib import Path

import pytest
from mmengine.config import Config
from mmengine.runner import Runner

from projects.threedgp.engine.launch import run_test
from projects.threedgp.engine.run_config import redirect_data_root
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
