"""tools/evaluate_folder.py: what it measures, what it writes about it, and what it refuses in a line.

The network is a stand-in whose features are the mean of each channel and of its square.
"""

import json
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from projects.threedgp.apis import folder_evaluation
from projects.threedgp.errors import user_errors
from projects.threedgp.evaluation import feature_metric, inception
from tests.stand_ins import save_inception_stand_in
from tools import evaluate_folder

SIDE, COUNT = 8, 24
MARK = " (stand-in inception_stand_in.pt)"


class RedIsFar(nn.Module):
    """A depth estimator."""

    def forward(self, rgb):
        return rgb[:, :1]


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setattr(feature_metric, "MMAGIC_CACHE_DIR", str(tmp_path / "cache"))


@pytest.fixture
def network(tmp_path):
    return save_inception_stand_in(tmp_path)


def write(folder, images, suffix=".png"):
    folder.mkdir(parents=True, exist_ok=True)
    for i, image in enumerate(images):
        Image.fromarray(image).save(folder / f"{i:02d}{suffix}")
    return folder


def noise(seed, count=COUNT, side=SIDE):
    rng = np.random.default_rng(seed)
    bright = rng.integers(64, 256, (count, 1, 1, 3))
    return (rng.random((count, side, side, 3)) * bright).astype(np.uint8)


def measured(tmp_path, samples, reals, network, *options):
    """The content of metrics.json."""
    out = tmp_path / "out"
    command = [str(samples), "--data-root", str(reals), "--inception-path", network, "--out", str(out)]
    evaluate_folder.main([*command, "--workers", "0", "--splits", "2", *options])
    assert not [path for path in out.iterdir() if path.name.startswith(".")]
    return json.loads((out / "metrics.json").read_text())


def test_the_reals_themselves_are_perfect_samples(tmp_path, network):
    reals = write(tmp_path / "reals", noise(0))
    metrics = measured(tmp_path, reals, reals, network)["metrics"]
    assert metrics[f"FID{MARK}/fid"] == pytest.approx(0, abs=1e-6)
    assert metrics[f"KID{MARK}/kid"] < 0  # an estimate without bias: equal sets are closer than two draws
    assert metrics[f"PR{MARK}/precision"] == metrics[f"PR{MARK}/recall"] == 1
    assert set(metrics) == {
        *(f"FID{MARK}/{name}" for name in ("fid", "mean", "cov")),
        *(f"KID{MARK}/{name}" for name in ("kid", "kid_std")),
        *(f"PR{MARK}/{name}" for name in ("precision", "recall")),
        *(f"IS{MARK}/{name}" for name in ("is", "is_std")),
    }


def test_black_against_white(tmp_path, network):
    """Features 0 and 1, six each, without variance: FID is 6; kernels are 1 and 8, and 1 between the two."""
    black = write(tmp_path / "black", np.zeros((COUNT, SIDE, SIDE, 3), np.uint8))
    white = write(tmp_path / "white", np.full((COUNT, SIDE, SIDE, 3), 255, np.uint8))
    metrics = measured(tmp_path, black, white, network)["metrics"]
    assert metrics[f"FID{MARK}/fid"] == pytest.approx(6)
    assert metrics[f"KID{MARK}/kid"] == pytest.approx(1 + 8 - 2)
    assert metrics[f"PR{MARK}/precision"] == metrics[f"PR{MARK}/recall"] == 0
    assert metrics[f"IS{MARK}/is"] == pytest.approx(1)


def test_a_folder_an_archive_and_an_array_of_the_same_images_measure_the_same(tmp_path, network):
    reals, images = write(tmp_path / "reals", noise(0)), noise(1)
    folder = write(tmp_path / "samples", images)
    with zipfile.ZipFile(tmp_path / "samples.zip", "w") as archive:
        for file in folder.iterdir():
            archive.write(file, file.name)
    np.savez(tmp_path / "samples.npz", images, np.arange(COUNT))
    values = [
        measured(tmp_path, path, reals, network)
        for path in (folder, tmp_path / "samples.zip", tmp_path / "samples.npz")
    ]
    assert values[0]["metrics"] == values[1]["metrics"] == values[2]["metrics"]
    assert [each["protocol"]["samples"]["kind"] for each in values] == ["folder", "zip", "npz"]
    assert values[2]["protocol"]["samples"]["classes"] == COUNT


def test_the_protocol_tells_what_the_values_depend_on(tmp_path, network):
    reals, samples = write(tmp_path / "reals", noise(0, 30)), write(tmp_path / "samples", noise(1))
    content = measured(tmp_path, samples, reals, network, "--num", "20", "--seed", "3", "--resolution", "4")
    assert (content["samples"], content["data_root"], content["seed"]) == (str(samples), str(reals), "3")
    protocol = content["protocol"]
    facts = protocol["samples"]
    assert (facts["count"], facts["available"], facts["side"], facts["compressed"]) == (20, COUNT, SIDE, 0)
    assert protocol["reals"] == {"data_root": str(reals), "count": 30}
    assert protocol["resolution"] == 4 and "Lanczos" in protocol["resolution_rule"]
    assert protocol["networks"]["inception"] == {
        "file": network,
        "sha256": folder_evaluation.file_digest(network),
    }
    assert protocol["metrics"][f"FID{MARK}"] == {"samples": 20, "reals": 30}
    assert protocol["metrics"][f"KID{MARK}"] == {
        **{"samples": 20, "reals": 30},
        **{"subsets": 100, "subset_size": 20},
    }
    assert protocol["metrics"][f"PR{MARK}"]["neighbours"] == 3
    table = (tmp_path / "out" / "metrics.md").read_text()
    assert f"| FID{MARK}/fid |" in table and "* protocol" not in table


def test_the_same_seed_gives_the_same_values_and_another_one_other_subsets(tmp_path, network, monkeypatch):
    reals, samples = write(tmp_path / "reals", noise(0, 40)), write(tmp_path / "samples", noise(1))
    values = [
        measured(tmp_path, samples, reals, network, "--seed", seed)["metrics"][f"KID{MARK}/kid"]
        for seed in ("0", "0", "1")
    ]
    assert values[0] == values[1] != values[2]


def test_reals_are_brought_to_the_samples_resolution(tmp_path, network):
    """Red squares of 16 x 16 pixels with blue beside them; the central squares are red."""
    red = np.zeros((COUNT, 16, 32, 3), np.uint8)
    red[:, :, :8, 2], red[:, :, 24:, 2], red[:, :, 8:24, 0] = 255, 255, 255
    samples = np.zeros((COUNT, SIDE, SIDE, 3), np.uint8)
    samples[..., 0] = 255
    reals = write(tmp_path / "reals", red)
    content = measured(tmp_path, write(tmp_path / "samples", samples), reals, network)
    assert content["metrics"][f"FID{MARK}/fid"] == pytest.approx(0, abs=1e-6)
    assert content["protocol"]["resolution"] == SIDE


def with_depth(folder, images, far):
    write(folder, images)
    for i, image in enumerate(images):
        Image.fromarray(far(image).astype(np.uint16)).save(folder / f"{i:02d}_depth.png")
    return folder


@pytest.fixture
def estimator(tmp_path):
    path = str(tmp_path / "depth.ts")
    torch.jit.script(RedIsFar()).save(path)
    return path


def test_depth_maps_are_measured(tmp_path, network, estimator):
    """The depth is what the estimator says, in another scale: no error."""
    reals = write(tmp_path / "reals", noise(0))
    samples = with_depth(tmp_path / "samples", noise(1), lambda image: 100 + 200.0 * image[..., 0])
    content = measured(tmp_path, samples, reals, network, "--depth-estimator", estimator)
    assert content["metrics"]["DepthAccuracy/ssi_rmse"] == pytest.approx(0, abs=1e-3)
    assert content["metrics"]["DepthAccuracy/ordinal"] == 0
    assert content["protocol"]["networks"]["depth estimator"]["file"] == estimator
    assert content["protocol"]["samples"]["depth"] is True
    turned = measured(
        tmp_path, samples, reals, network, "--depth-estimator", estimator, "--depth-nearer-larger"
    )
    assert turned["metrics"]["DepthAccuracy/ssi_rmse"] == pytest.approx(1, abs=1e-6)
    assert turned["metrics"]["NFS/nfs"] == pytest.approx(content["metrics"]["NFS/nfs"], rel=0.2)
    bare = measured(tmp_path, samples, reals, network, "--no-depth")["metrics"]
    assert not [name for name in bare if name.startswith(("NFS", "Depth"))]


@pytest.mark.parametrize(("levels", "wanted"), [((), 32), (("0", "32767"), 64), (("0", "131"), 1)])
def test_flatness_is_counted_between_the_ends_of_the_scene(tmp_path, network, levels, wanted):
    """64 different values, evenly over the lower half of the levels."""
    images = noise(1)
    samples = with_depth(tmp_path / "samples", images, lambda image: np.arange(64).reshape(8, 8) * 512 + 200)
    options = ["--depth-levels", *levels] if levels else []
    metrics = measured(tmp_path, samples, write(tmp_path / "reals", noise(0)), network, *options)["metrics"]
    assert metrics["NFS/nfs"] == pytest.approx(wanted, rel=1e-5) and "DepthAccuracy/ssi_rmse" not in metrics


def test_what_changes_the_numbers_is_said(tmp_path, network, estimator, capsys):
    reals, samples = write(tmp_path / "reals", noise(0)), write(tmp_path / "samples", noise(1), ".jpg")
    measured(tmp_path, samples, reals, network, "--depth-estimator", estimator)
    said = capsys.readouterr().err
    assert f"warning: {COUNT} of {COUNT} samples are JPEG, which changes FID" in said
    assert f"warning: {COUNT} samples: " in said and "published numbers are of 50000" in said
    assert "warning: --depth-estimator: not used, as there are no depth maps" in said


def test_only_the_network_of_published_numbers_gives_the_plain_names(tmp_path, network, monkeypatch):
    reals, samples = write(tmp_path / "reals", noise(0)), write(tmp_path / "samples", noise(1))
    monkeypatch.setattr(folder_evaluation, "INCEPTION_SHA256", folder_evaluation.file_digest(network))
    names = {name.partition("/")[0] for name in measured(tmp_path, samples, reals, network)["metrics"]}
    assert names == {"FID", "KID", "IS", "PR (Inception)"}
    vgg = str(Path(network).rename(tmp_path / "vgg16.pt"))
    network = save_inception_stand_in(tmp_path)
    monkeypatch.undo()
    monkeypatch.setattr(feature_metric, "MMAGIC_CACHE_DIR", str(tmp_path / "cache"))
    content = measured(tmp_path, samples, reals, network, "--vgg", vgg)
    assert {name.partition("/")[0] for name in content["metrics"]} >= {"PR (vgg16.pt)", f"FID{MARK}"}
    assert content["protocol"]["networks"]["precision and recall"]["file"] == vgg


def test_metrics_are_chosen(tmp_path, network):
    reals, samples = write(tmp_path / "reals", noise(0)), write(tmp_path / "samples", noise(1))
    metrics = measured(tmp_path, samples, reals, network, "--metrics", "kid")["metrics"]
    assert {name.partition("/")[0] for name in metrics} == {f"KID{MARK}"}
    assert evaluate_folder.METRICS == folder_evaluation.METRIC_NAMES


def test_flatness_alone_needs_no_network(tmp_path, monkeypatch):
    monkeypatch.setattr(inception, "MMAGIC_CACHE_DIR", str(tmp_path / "nothing"))
    monkeypatch.setattr(inception, "download_from_url", None)
    reals = write(tmp_path / "reals", noise(0))
    samples = with_depth(tmp_path / "samples", noise(1), lambda image: 100 + 200.0 * image[..., 0])
    out = tmp_path / "out"
    evaluate_folder.main(
        [str(samples), "--data-root", str(reals), "--out", str(out), "--metrics", "nfs", "--workers", "0"]
    )
    content = json.loads((out / "metrics.json").read_text())
    assert set(content["metrics"]) == {"NFS/nfs", "NFS/nfs_std"} and content["protocol"]["networks"] == {}


def line_of(capsys, *arguments):
    """What the tool says before it ends with status 2."""
    with pytest.raises(SystemExit) as end, user_errors():
        evaluate_folder.main([*map(str, arguments), "--workers", "0"])
    assert end.value.code == 2
    said = capsys.readouterr().err.strip().splitlines()
    assert not any(line.startswith("Traceback") for line in said)
    return said[-1]


@pytest.mark.parametrize(
    ("options", "count", "words"),
    [
        ((), 1, "LocalInceptionScore: got fake_nums=1 and splits=10"),
        (("--splits", "1"), 1, "got fake_nums=1, wanted at least 2"),
        (("--splits", "1"), 3, "got fake_nums=3, wanted at least 4"),
        (("--metrics", "nfs", "depth"), 4, "wanted depth maps beside the images"),
        (("--metrics", "pr"), 3, "got fake_nums=3, wanted at least 4"),
        (("--resolution", "0"), 4, "resolution: got 0, wanted at least 1"),
        (("--depth-levels", "9", "3"), 4, "depth_levels: got 9 3, wanted 0 <= NEAR < FAR <= 65535"),
    ],
)
def test_counts_that_no_metric_can_work_with(tmp_path, network, capsys, options, count, words):
    reals, samples = write(tmp_path / "reals", noise(0)), write(tmp_path / "samples", noise(1, count))
    assert words in line_of(capsys, samples, "--data-root", reals, "--inception-path", network, *options)


def test_misfits_end_in_a_line_that_names_them(tmp_path, network, capsys):
    reals = write(tmp_path / "reals", noise(0))
    shared = ("--data-root", reals, "--inception-path", network)
    (tmp_path / "empty").mkdir()
    assert "is empty" in line_of(capsys, tmp_path / "empty", *shared)
    assert "does not exist" in line_of(capsys, tmp_path / "nothing", *shared)
    samples = write(tmp_path / "samples", noise(1))
    Image.fromarray(noise(1)[0, ..., 0]).save(samples / "05.png")
    assert "1 of 24 images cannot be measured: 05.png is grey" in line_of(capsys, samples, *shared)
    (samples / "05.png").write_bytes((samples / "06.png").read_bytes()[:-30])
    assert "05.png is not readable" in line_of(capsys, samples, *shared)
    (tmp_path / "text.pt").write_bytes(b"no network")
    broken = line_of(capsys, reals, "--data-root", reals, "--inception-path", tmp_path / "text.pt")
    assert "text.pt' is not a (whole) TorchScript file" in broken
    few = write(tmp_path / "few", noise(2, 3))
    assert "got 3 real images, wanted at least 4" in line_of(
        capsys, reals, "--data-root", few, "--inception-path", network
    )
