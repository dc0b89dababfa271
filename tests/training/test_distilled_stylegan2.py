"""The toolkit's own StyleGAN2 config, with distillation added by config alone."""

import pytest
import torch
from mmagic.registry import MODELS
from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmengine.runner import Runner

from tests import tiny_runs

STOCK = "mmagic::styleganv2/stylegan2_c2_8xb4-800kiters_ffhq-256x256.py"
# A timm network with random weights stands in for a pretrained teacher.
TEACHER = dict(type="TimmTeacher", model="test_resnet", image_size=32)
DISTILLATION = dict(
    type="DistilledStyleGAN2",
    distillation=dict(type="KnowledgeDistillationLoss", patch_weighting=False),
    teacher=TEACHER,
)


def stylegan2_config(tmp_path, iterations: int) -> Config:
    """The stock config at 32 x 32 on noise images, with a distilled discriminator."""
    path = tmp_path / "config.py"
    path.write_text(f"_base_ = [{STOCK!r}]\n")
    config = Config.fromfile(path)
    discriminator = config.model.discriminator
    config.merge_from_dict(
        {
            "model": DISTILLATION,
            "model.generator.out_size": 32,
            "model.discriminator": dict(
                _delete_=True,
                type="DistilledDiscriminator",
                discriminator=dict(discriminator, in_size=32),
                layer="final_conv",
                layer_dim=512 * 4 * 4,
                feature_dim=96,
            ),
            "train_cfg.max_iters": iterations,
            # torch 2.11 refuses the stock config's integer 0 beside a float.
            "optim_wrapper.generator.optimizer.betas": (0.0, 0.99),
            "optim_wrapper.discriminator.optimizer.betas": (0.0, 0.99),
        }
    )
    config.train_dataloader = tiny_runs.loader(tiny_runs.write_images(tmp_path / "data"))
    for key in ("val_dataloader", "val_cfg", "val_evaluator", "test_dataloader", "test_cfg"):
        config[key] = None
    config.test_evaluator = None
    config.custom_hooks = []
    config.default_hooks.logger.interval = 1
    config.default_hooks.checkpoint.save_best = None
    config.work_dir = str(tmp_path / "work")
    return config


def test_stock_stylegan2_trains_with_distillation(tmp_path):
    runner = Runner.from_cfg(stylegan2_config(tmp_path, iterations=2))
    head = runner.model.discriminator.head[-1].weight.clone()
    runner.train()
    logged = runner.message_hub.get_scalar("train/loss_kd").data[0]
    assert len(logged) == 2 and (logged > 0).all()
    assert (runner.model.discriminator.head[-1].weight - head).abs().max() > 0
    assert runner.model.images_seen == 8


def test_head_reads_the_named_layer():
    init_default_scope("mmagic")
    inner = dict(type="StyleGAN2Discriminator", in_size=16)
    discriminator = MODELS.build(
        dict(
            type="DistilledDiscriminator",
            discriminator=inner,
            layer="final_conv",
            layer_dim=512 * 16,
            feature_dim=7,
        )
    )
    images = torch.randn(2, 3, 16, 16)
    logits, features = discriminator(images, return_features=True)
    torch.testing.assert_close(discriminator(images), logits)
    assert features.shape == (2, 7)


def test_unknown_layer_is_refused_with_the_known_ones():
    init_default_scope("mmagic")
    inner = dict(type="StyleGAN2Discriminator", in_size=16)
    with pytest.raises(ValueError, match=r"layer: got 'nowhere'.*final_conv"):
        MODELS.build(dict(type="DistilledDiscriminator", discriminator=inner, layer="nowhere", layer_dim=1))
