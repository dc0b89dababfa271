"""tools/studies/distillation_cost.py: the ratio, the order of the blocks, and the command on tiny data."""

import csv
from pathlib import Path

import numpy as np
import pytest
import timm
import torch

from projects.threedgp.studies import distillation_cost as cost
from tests import tiny_runs
from tools.studies import distillation_cost

CONFIG = str(Path(__file__).resolve().parents[2] / "configs" / "3dgp_toy32.py")
SMALLER = (
    *(
        "model.generator.noise_size=8",
        "model.generator.mapping.w_dim=8",
        "model.generator.field.mlp_hidden_dim=8",
    ),
    *("model.generator.field.resolution=8", "model.generator.field.feature_dim=4"),
    *("model.generator.field.cbase=64", "model.generator.field.cmax=8"),
    *("model.generator.renderer.num_coarse=4", "model.generator.renderer.num_fine=4"),
    *("model.discriminator.cbase=64", "model.discriminator.cmax=8", "model.discriminator.code_dim=8"),
    *("train_dataloader.batch_size=4", "train_dataloader.num_workers=0"),
    "train_dataloader.persistent_workers=False",
)


def test_ratio_is_the_median_over_pairs():
    ratio = cost.paired_ratio([2.0, 3.3, 6.0], [2.0, 3.0, 5.0])
    assert ratio.median == pytest.approx(1.1)
    assert (ratio.low, ratio.high) == pytest.approx((1.0, 1.2))
    assert str(ratio) == "1.100 (1.000 to 1.200)"


def test_what_slows_a_whole_round_does_not_count():
    pace = np.array([1.0, 5.0, 2.0, 1.0])
    ratio = cost.paired_ratio(list(1.01 * pace), list(pace))
    assert (ratio.low, ratio.median, ratio.high) == pytest.approx((1.01,) * 3)


def test_the_interval_narrows_with_more_pairs():
    noisy = 1 + 0.1 * np.random.default_rng(0).normal(size=400)
    few, many = (cost.paired_ratio(list(noisy[:n]), [1.0] * n) for n in (10, 400))
    assert many.high - many.low < 0.3 * (few.high - few.low)
    assert many.low < 1 < many.high


@pytest.mark.parametrize("values", [[], [1.0]])
def test_pairs_have_two_halves(values):
    with pytest.raises(ValueError, match="pairs: got"):
        cost.paired_ratio(values, [1.0, 2.0] if values else [])


def test_every_second_round_is_reversed():
    assert [arm for _, arm in cost.interleaved("ABC", 3)] == list("ABCCBAABC")
    assert [index for index, _ in cost.interleaved("AB", 2)] == [0, 0, 1, 1]


def test_table_on_a_gpu_tells_the_memory():
    blocks = [cost.Block(0, cost.WITHOUT, 0.1, 0.01, 100.0), cost.Block(0, cost.FROM_FILE, 0.11, 0.01, 104.0)]
    lines = cost.table(blocks).splitlines()
    assert lines[0].endswith("| peak MiB | memory, without = 1 |")
    assert lines[2] == "| without | 100.0 | 10.0 | 1 | 100.0 | 1.000 |"
    assert lines[3] == "| features from a file | 110.0 | 10.0 | 1.100 (1.100 to 1.100) | 104.0 | 1.040 |"


@pytest.fixture(scope="module")
def data_root(tmp_path_factory):
    """Noise images, and beside their folder the teacher's features and its checkpoint."""
    folder = tmp_path_factory.mktemp("data")
    root = Path(tiny_runs.write_images(folder / "train", classes=8, num=16))
    names = [p.relative_to(root).as_posix() for p in sorted(root.rglob("*.png")) if "_depth" not in p.name]
    np.save(folder / "teacher.npy", np.zeros((len(names), 96), np.float32))
    (folder / "teacher.txt").write_text("\n".join(names) + "\n")
    (folder / "networks").mkdir()
    teacher = timm.create_model("test_resnet", num_classes=0)
    torch.save(teacher.state_dict(), folder / "networks" / "teacher.pth")
    return str(root)


def run(out: Path, data_root: str, *argv: str) -> None:
    fixed = ("--config", CONFIG, "--data-root", data_root, "--device", "cpu", "--out", str(out))
    distillation_cost.main([*fixed, "--steps", "1", "--blocks", "2", *argv, "--cfg-options", *SMALLER])


def test_command_writes_blocks_and_table(tmp_path, data_root, capsys):
    run(tmp_path, data_root)
    arms = [cost.WITHOUT, cost.FROM_FILE, cost.ON_THE_FLY]
    with (tmp_path / "cost.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["arm"] for row in rows] == [*arms, *reversed(arms)]
    assert all(0 < float(row["waiting"]) < float(row["seconds"]) for row in rows)
    assert {row["peak_mib"] for row in rows} == {""}
    text = (tmp_path / "cost.md").read_text()
    assert all(f"| {arm} |" in text for arm in arms) and "peak MiB" not in text
    assert "distillation_cost.py --config" in text and f"torch: `{torch.__version__}`" in text
    assert text in capsys.readouterr().out
    assert sorted(path.name for path in tmp_path.iterdir()) == ["cost.csv", "cost.md"]


def test_config_without_distillation_is_refused(tmp_path, data_root):
    with pytest.raises(ValueError, match="wanted a config that distils"):
        config = CONFIG.replace("toy32", "toy64")
        distillation_cost.main(["--config", config, "--data-root", data_root, "--out", str(tmp_path)])
