"""The 2D systems and the arms of ablations: full size they are what they should be, reduced they run."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from mmagic.registry import MODELS
from mmengine.registry import init_default_scope
from mmengine.runner import Runner

from projects.threedgp.engine.checkpoint_loading import read_checkpoint
from projects.threedgp.engine.config_check import check_config
from projects.threedgp.engine.run_config import merge_options, read_config, stored_config
from projects.threedgp.errors import UserError
from tests import test_configs, tiny_runs
from tests.stand_ins import save_inception_stand_in
from tools import test, train

CONFIGS = Path(__file__).resolve().parents[1] / "configs"
CLASSES = tiny_runs.CLASSES
BIGGAN = [
    *(f"model.{part}.base_channels=8" for part in ("generator", "discriminator")),
    *(f"model.{part}num_classes={CLASSES}" for part in ("", "generator.", "discriminator.")),
    *("model.generator.output_scale=32", "model.discriminator.input_scale=32"),
    *(f"optim_wrapper.{part}.accumulative_counts=1" for part in ("generator", "discriminator")),
    *("train_cfg.max_iters=2", "train_cfg.val_interval=2", "default_hooks.logger.interval=1"),
]
ADM = [
    *("model.unet.image_size=32", "model.unet.base_channels=16", f"model.unet.num_classes={CLASSES}"),
    *(
        "model.unet.resblocks_per_downsample=1",
        "model.unet.channels_cfg=[1,2]",
        "model.unet.attention_res=(8,)",
    ),
    *("model.unet.attention_cfg.num_head_channels=8", "model.unet.norm_cfg.num_groups=4"),
    *("model.classifier.image_size=32", "model.classifier.model_channels=32"),
    *(f"model.classifier.out_channels={CLASSES}", "model.classifier.channel_mult=(1,2)"),
    *("model.classifier.attention_resolutions=(2,)", "model.classifier.num_res_blocks=1"),
    *("model.classifier.num_head_channels=8", "model.num_inference_steps=2"),
]


STYLEGAN2 = [
    *(
        "model.generator.out_size=16",
        "model.generator.style_channels=16",
        "model.discriminator.image_size=16",
    ),
    *("train_cfg.total_kimg=0.008", "train_cfg.val_interval_kimg=None", "val_cfg=None"),
    *("val_dataloader=None", "val_evaluator=None", "default_hooks.checkpoint.save_best=None"),
    *(
        "train_dataloader.batch_size=4",
        "train_dataloader.num_workers=0",
        "train_dataloader.dataset.resolution=16",
        "test_dataloader.dataset.resolution=16",
    ),
    *("default_hooks.logger.interval=1", "default_hooks.evaluation.check_test=False"),
]
NARROW = ["model.discriminator.cbase=128", "model.discriminator.cmax=16"]
# Random weights stand in for a pretrained network.
PROJECTED = [
    *("model.discriminator.network=test_resnet", "model.discriminator.pretrained=False"),
    *(
        "model.discriminator.input_size=64",
        "model.discriminator.width=8",
        "model.discriminator.mixed_width=4",
    ),
]
PROJECTED_TOY = ["model.discriminator.checkpoint=None"]


def parameters_of(name: str) -> dict[str, int]:
    """Parameters of each part of a config's model, which takes no memory."""
    config = read_config(CONFIGS / f"{name}.py")
    check_config(config)
    init_default_scope("mmagic")
    with torch.device("meta"):
        model = MODELS.build(config.model)
    return {part: sum(p.numel() for p in child.parameters()) for part, child in model.named_children()}


def small(*loaders: str, metrics: int, inception: str) -> list[str]:
    """Options that make loaders and metrics of a config small."""
    loading = [
        f"{loader}_dataloader.{option}"
        for loader in loaders
        for option in ("batch_size=4", "num_workers=0", "dataset.resolution=32")
    ]
    measuring = [
        f"test_evaluator.metrics.{index}.{option}"
        for index in range(metrics)
        for option in ("fake_nums=8", f"inception_path={inception}")
    ]
    return [*loading, *measuring, "test_evaluator.metrics.1.splits=2"]


def metrics_in(folder: Path) -> dict[str, float]:
    return json.loads((folder / "metrics.json").read_text())["metrics"]


@pytest.fixture
def data(tmp_path):
    return tiny_runs.write_images(tmp_path / "data")


def test_biggan_is_as_large_as_the_toolkits_weights():
    sizes = parameters_of("biggan_imagenet256")
    assert sizes["generator"] == sizes["generator_ema"] == 55_736_708
    assert sizes["discriminator"] == 38_247_426


def test_adm_is_as_large_as_the_toolkits_weights():
    sizes = parameters_of("adm_imagenet256")
    assert sizes["unet"] == 553_838_086
    assert sizes["unet"] + sizes["classifier"] == 607_934_446


@pytest.mark.parametrize("name", ["biggan_imagenet256", "adm_imagenet256"])
def test_reals_and_metrics_are_those_of_3dgp(name):
    config, ours = (read_config(CONFIGS / f"{each}.py") for each in (name, "3dgp_imagenet256"))
    dataset, wanted = config.test_dataloader.dataset, ours.test_dataloader.dataset
    assert {key: dataset[key] for key in dataset if key != "pipeline"} == {
        key: wanted[key] for key in wanted if key != "pipeline"
    }
    assert dataset.resolution == 256
    assert [step.type for step in dataset.pipeline] == ["LoadImage", "FitSquare", "PackInputs"]
    for metric, other in zip(config.test_evaluator.metrics, ours.test_evaluator.metrics, strict=False):
        assert {**metric, "sample_model": None} == {**other, "sample_model": None}


def test_biggan_trains_and_is_evaluated(tmp_path, data):
    inception = save_inception_stand_in(tmp_path)
    options = [
        *BIGGAN,
        *small("train", "val", "test", metrics=2, inception=inception),
        *(f"val_evaluator.metrics.0.{each}" for each in ("fake_nums=4", f"inception_path={inception}")),
    ]
    run = tmp_path / "run"
    arguments = ["--data-root", data, "--work-dir", str(run), "--cfg-options", *options]
    train.main([str(CONFIGS / "biggan_imagenet256.py"), *arguments])
    assert [path.name for path in run.glob("best_FID_*")] == ["best_FID_fid_iter_2.pth"]
    test.main([str(run / "iter_2.pth"), "--data-root", data])
    found = metrics_in(run / "test_iter_2")
    assert found["FID/fid"] > 0 and found["IS/is"] >= 1


def test_adm_is_evaluated_from_weights(tmp_path, data):
    options = [*ADM, *small("test", metrics=2, inception=save_inception_stand_in(tmp_path))]
    config = read_config(CONFIGS / "adm_imagenet256.py")
    merge_options(config, options)
    init_default_scope("mmagic")
    weights = tmp_path / "adm.pth"
    torch.save(dict(state_dict=MODELS.build(config.model).state_dict()), weights)
    arguments = ["--data-root", data, "--work-dir", str(tmp_path / "run"), "--cfg-options", *options]
    test.main([str(CONFIGS / "adm_imagenet256.py"), str(weights), *arguments])
    found = metrics_in(tmp_path / "run")
    assert found["FID/fid"] > 0 and found["IS/is"] >= 1


def test_adm_is_not_trained(tmp_path, data):
    arguments = ["--data-root", data, "--work-dir", str(tmp_path)]
    with pytest.raises(UserError, match=r"adm_imagenet256\.py: got no train_dataloader, train_cfg, optim_wr"):
        train.main([str(CONFIGS / "adm_imagenet256.py"), *arguments])


def write_table(path: Path, data_root: str, width: int) -> None:
    """Write random features, as compute_features.py writes a teacher's."""
    root = Path(data_root)
    names = sorted(str(p.relative_to(root)) for p in root.glob("*/*.png") if "_depth" not in p.name)
    np.save(path, np.random.default_rng(0).normal(size=(len(names), width)).astype(np.float32))
    path.with_suffix(".txt").write_text("\n".join(names) + "\n")


def trained(name: str, run: Path, data: str, options: list[str]) -> tuple[dict, set[str]]:
    """Train two iterations by command; return the config in the checkpoint, and what was logged."""
    train.main(
        [str(CONFIGS / f"{name}.py"), "--data-root", data, "--work-dir", str(run), "--cfg-options", *options]
    )
    checkpoint = read_checkpoint(run / "iter_2.pth")
    logged = set(json.loads(next(run.glob("*/vis_data/scalars.json")).read_text().splitlines()[0]))
    return stored_config(checkpoint, str(run / "iter_2.pth")), logged


@pytest.mark.parametrize(
    ("option", "width", "is_distilled"),
    [
        ("model.distillation=None", None, False),
        ("model.distillation.form=l2", 2048, True),
        ("model.distillation.form=kl", 2048, True),
        ("train_dataloader.dataset.features=../clip.npy", 768, True),
    ],
    ids=["none", "l2", "kl", "clip"],
)
def test_an_arm_of_the_study_of_convergence_is_one_option(tmp_path, data, option, width, is_distilled):
    write_table(tmp_path / "resnet50.npy", data, 2048)
    write_table(tmp_path / "clip.npy", data, 768)
    options = [*STYLEGAN2, *NARROW, option]
    config, logged = trained("stylegan2_imagenet128", tmp_path / "run", data, options)
    assert config.model.discriminator.feature_dim == width
    assert ("loss_kd" in logged) == is_distilled
    assert {"loss_r1_gp", "loss_path_regular", "kimg"} <= logged


@pytest.mark.filterwarnings("ignore:.*random weights")
@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("projected_stylegan2_imagenet128", [*STYLEGAN2, *PROJECTED]),
        ("projected_stylegan2_toy32", [*STYLEGAN2, *PROJECTED_TOY]),
    ],
)
def test_stylegan2_trains_against_frozen_features(tmp_path, data, name, options):
    _, logged = trained(name, tmp_path / "run", data, options)
    assert {"loss_disc", "loss_gen"} <= logged and not {"loss_r1_gp", "loss_kd"} & logged


@pytest.mark.filterwarnings("ignore:.*random weights")
def test_3dgp_trains_against_frozen_features_of_colour_and_depth(tmp_path, data):
    options = [
        *(*PROJECTED_TOY, f"model.num_classes={CLASSES}", "train_cfg.total_kimg=0.008"),
        *("train_dataloader.batch_size=4", "train_dataloader.num_workers=0", "val_cfg=None"),
        *("val_dataloader=None", "val_evaluator=None", "default_hooks.checkpoint.save_best=None"),
        *("default_hooks.logger.interval=1", "default_hooks.evaluation.check_test=False"),
    ]
    config, logged = trained("projected_3dgp_toy32", tmp_path / "run", data, options)
    assert {"loss_g_adv", "loss_d_adv"} <= logged and not {"loss_d_r1", "loss_d_kd"} & logged
    state = read_checkpoint(tmp_path / "run" / "iter_2.pth")["state_dict"]
    # The features of colour and depth of four stages, mixed.
    channels = [state[f"discriminator.mixing.across_channels.{i}.weight"].shape[1] for i in range(4)]
    assert channels == [64, 96, 384, 192] and config.model.r1 is None


@pytest.mark.parametrize(
    ("option", "adapted"),
    [("num_layers=0", 0.0), ("identity_prob=0.5", 0.5), ("identity_prob=0.0", 1.0)],
    ids=["p=0", "p=0.5", "p=1"],
)
def test_an_arm_of_the_adaptors_ablation_on_dogs_is_one_option(tmp_path, data, option, adapted):
    config = test_configs.reduced(CONFIGS / "3dgp_sdip_dogs256.py", data, tmp_path / option)
    merge_options(config, [f"model.generator.depth_adaptor.{option}"])
    runner = Runner.from_cfg(config)
    runner.train()
    assert runner.iter == 2
    unadapted = runner.model.generator.depth_adaptor.selection_probs(kimg=1.0)[0].item()
    assert 1 - unadapted == pytest.approx(adapted)
