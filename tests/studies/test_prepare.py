"""tools/studies/prepare.py: what is missing is made, what is there stays, other scenes are refused."""

import json
import shutil

import imageio.v3 as iio
import numpy as np
import pytest

from projects.threedgp.studies import prepare
from projects.threedgp.studies.arms import DEPTH_FOLDER, INEXACTNESS, NETWORK_FILES
from tests.studies.conftest import NUM_SCENES
from tools.studies import prepare as tool


@pytest.fixture
def folder(prepared, tmp_path):
    """A copy that may be changed."""
    return shutil.copytree(prepared, tmp_path / "toy")


@pytest.fixture
def called(monkeypatch):
    """Names and arguments of what is called to make something, none of which runs."""
    calls = {}
    for name in ("write_dataset", "write_features", "train_networks"):
        monkeypatch.setattr(prepare, name, lambda *args, name=name: calls.update({name: args}))
    monkeypatch.setattr(
        prepare, "write_inexact_depth", lambda data, out, level: calls.update({out.name: [data, level]})
    )
    return calls


def test_the_folder_has_all_that_the_studies_read(prepared):
    features = np.load(prepared / "teacher.npy")
    assert features.shape == (NUM_SCENES, 96) and np.isfinite(features).all() and features.std() > 0
    names = (prepared / "teacher.txt").read_text().split()
    assert set(names) == set((prepared / "cameras.txt").read_text().split())
    assert np.load(prepared / "cameras.npy").shape == (NUM_SCENES, 8)
    files = {path.name for path in (prepared / "networks").iterdir()}
    assert files == {"teacher.pth", "extractor.ts", "depth_estimator.ts", "networks.json"}


def test_depth_of_each_inexactness_has_a_map_for_every_image(prepared):
    names = {name.replace(".png", "_depth.png") for name in (prepared / "cameras.txt").read_text().split()}
    maps = {}
    for level in INEXACTNESS:
        folder = prepared / DEPTH_FOLDER.format(level)
        assert {path.relative_to(folder).as_posix() for path in folder.rglob("*.png")} == names
        maps[level] = np.stack([iio.imread(folder / name) for name in sorted(names)])
    train = np.stack([iio.imread(prepared / "train" / name) for name in sorted(names)])
    errors = {level: np.abs(values - train.astype(float)).mean() for level, values in maps.items()}
    assert all(error > 0.02 * 65535 for error in errors.values())


def test_yaw_is_the_cameras_alone(prepared):
    meta = json.loads((prepared / "meta.json").read_text())
    assert (meta["object_yaw"], meta["yaw"]) == ("constant:0", "normal:0:0.5")
    assert meta["num"] == NUM_SCENES and meta["resolution"] == 32


def test_what_is_there_is_not_made_again(folder, small, called):
    tool.main([str(folder), *small])
    assert called == {}


def test_a_missing_network_is_trained_alone(folder, small, called):
    report = folder / "networks" / "networks.json"
    known = json.loads(report.read_text())
    del known["extractor"]
    report.write_text(json.dumps(known))
    tool.main([str(folder), *small])
    assert called == {"train_networks": (folder, folder / "networks", 1, 32, ["extractor"])}


def test_networks_of_other_settings_and_lost_files_are_made_again(folder, small, called):
    (folder / "networks" / "depth_estimator.ts").unlink()
    tool.main([str(folder), *small])
    assert called["train_networks"][-1] == ["depth_estimator"]
    tool.main([str(folder), *small, "--epochs", "2"])
    assert called["train_networks"][-1] == [*NETWORK_FILES]


def test_features_that_are_older_than_the_teacher_are_computed_again(folder, small, called):
    (folder / "networks" / "teacher.pth").touch()
    tool.main([str(folder), *small])
    assert list(called) == ["write_features"]


def test_missing_depth_is_written_alone(folder, small, called):
    shutil.rmtree(folder / DEPTH_FOLDER.format(3))
    tool.main([str(folder), *small])
    assert called == {DEPTH_FOLDER.format(3): [folder, 3]}


@pytest.mark.parametrize(
    ("options", "message"), [(["--num", "65"], "'num': 65"), (["--resolution", "16"], "'resolution': 16")]
)
def test_other_scenes_are_refused(folder, small, called, options, message):
    with pytest.raises(ValueError, match=rf"{folder}: got scenes of .*'num': 64.*, wanted .*{message}"):
        tool.main([str(folder), *small, *options])
    assert called == {}


def test_scenes_that_turn_are_refused(folder, small, called):
    meta = folder / "meta.json"
    meta.write_text(meta.read_text().replace("constant:0", "uniform:0:6"))
    with pytest.raises(ValueError, match=r"got scenes of .*'object_yaw': 'uniform:0:6'"):
        tool.main([str(folder), *small])
    assert called == {}
