"""The table of ablations in the README: each line, one option on the flagship, trains for two iterations."""

import re
import shlex
from pathlib import Path

import numpy as np
import pytest

from projects.threedgp.engine.checkpoint_loading import read_checkpoint
from projects.threedgp.engine.run_config import stored_config
from tests import tiny_runs
from tools import train

ROOT = Path(__file__).resolve().parents[2]
ROW = re.compile(r"^\| ([^|`]+) \| `([\w.]+=[^`]*)` \|$", re.MULTILINE)
TABLE = re.search(r"### Ablations\n(.*?)\n### ", (ROOT / "README.md").read_text(), re.DOTALL).group(1)
ROWS = ROW.findall(TABLE)
FEATURES = 7

# Nothing but sizes, lengths, and the metrics that would download a network.
SMALL = f"""
_base_ = ["{ROOT}/configs/3dgp_imagenet256.py"]
_w = dict(cbase=256, cmax=16)
model = dict(
    num_classes={tiny_runs.CLASSES},
    generator=dict(
        image_size=32, patch_size=16, noise_size=16, w_dim=16,
        planes=dict(resolution=16, feature_dim=4, **_w), mlp_hidden_dim=8,
        marching=dict(num_coarse=4, num_fine=4),
    ),
    discriminator=dict(feature_dim={FEATURES}, **_w),
)
train_dataloader = dict(batch_size=4, num_workers=1, dataset=dict(resolution=32))
val_dataloader = dict(batch_size=4, num_workers=0, persistent_workers=False, dataset=dict(resolution=32))
test_dataloader = val_dataloader
val_evaluator = dict(metrics=[dict(type="NonFlatnessScore", fake_nums=4)])
test_evaluator = val_evaluator
default_hooks = dict(logger=dict(interval=1), checkpoint=dict(save_best=None))
train_cfg = dict(total_kimg=0.008)
"""


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Images with depth and, beside their folder as the flagship has it, a table of features."""
    root = tmp_path_factory.mktemp("data") / "train"
    tiny_runs.write_images(root)
    names = sorted(str(p.relative_to(root)) for p in root.glob("*/*.png") if "_depth" not in p.name)
    table = root.parent / "resnet50.npy"
    np.save(table, np.random.default_rng(0).normal(size=(len(names), FEATURES)).astype(np.float32))
    table.with_suffix(".txt").write_text("\n".join(names) + "\n")
    return root


def trained(folder, data, option, config=SMALL):
    """The config that two iterations with an option leave in their checkpoint."""
    path = folder / "small.py"
    path.write_text(config)
    arguments = ["--work-dir", folder / "run", "--data-root", data, "--cfg-options", *shlex.split(option)]
    train.main([str(path), *map(str, arguments)])
    checkpoint = str(folder / "run" / "iter_2.pth")
    return stored_config(read_checkpoint(checkpoint), checkpoint)


def test_the_table_is_read():
    assert len(ROWS) >= 10
    assert dict(ROWS)["no depth"] == "model.generator.depth_adaptor=None"


@pytest.mark.slow
@pytest.mark.parametrize("option", [option for _, option in ROWS])
def test_one_option_is_enough(tmp_path, data, option):
    config = trained(tmp_path, data, option)
    key, _, value = option.partition("=")
    node = config
    for name in key.split("."):
        node = node[name]
    assert str(node) == value


@pytest.mark.slow
def test_distillation_is_switched_on_by_one_option_and_its_table(tmp_path, data):
    off = SMALL.replace(
        f"discriminator=dict(feature_dim={FEATURES}", "distillation=None, discriminator=dict(feature_dim=None"
    ).replace("dataset=dict(resolution=32))\nval", "dataset=dict(resolution=32, features=None))\nval")
    option = "model.distillation.weight=2.0 train_dataloader.dataset.features=../resnet50.npy"
    config = trained(tmp_path, data, option, off)
    assert config.model.distillation == dict(type="KnowledgeDistillationLoss", weight=2.0)
    assert config.model.discriminator.feature_dim == FEATURES
