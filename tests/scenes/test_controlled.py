"""Scenes whose classes are each photographed in a known way of their own."""

import json
import re

import numpy as np
import pytest

from projects.threedgp.rendering import CAMERA_FIELDS
from projects.threedgp.scenes import (
    CLASSES,
    CONTROLLED,
    ToySettings,
    render_scene,
    sample_camera,
    sample_scene,
)
from tools.data import make_toy_scenes

SIDE = 16
YAW, PITCH, FOV = (CAMERA_FIELDS.index(name) for name in ("yaw", "pitch", "fov_deg"))


def made(folder, *arguments: str, num: int = len(CLASSES)):
    """Cameras (n, 8), the class of each, and the settings of a set that the command makes."""
    out = folder / "out"
    make_toy_scenes.main(
        [str(out), "--num", str(num), "--resolution", str(SIDE), "--workers", "1", *arguments]
    )
    classes = [line.partition("/")[0] for line in (out / "cameras.txt").read_text().split()]
    settings = ToySettings.from_dict(json.loads((out / "meta.json").read_text()))
    return np.load(out / "cameras.npy"), np.array(classes), settings


def test_each_class_has_a_field_of_view_of_its_own(tmp_path):
    cameras, classes, _ = made(tmp_path, "--controlled", num=2 * len(CLASSES))
    expected = [CONTROLLED[name]["fov"].values[0] for name in classes]
    assert cameras[:, FOV].tolist() == expected
    assert len(set(expected)) == len(CLASSES) and min(expected) == 18 and max(expected) == 39


def test_the_cameras_of_a_class_are_those_of_the_table():
    settings = ToySettings(of_class=CONTROLLED)
    for label, name in enumerate(CLASSES):
        indices = range(label, 400 * len(CLASSES), len(CLASSES))
        cameras = np.array([sample_camera(0, index, settings) for index in indices])
        yaw, pitch = CONTROLLED[name]["yaw"], CONTROLLED[name]["pitch"]
        assert cameras[:, YAW].mean() == pytest.approx(0, abs=0.1)
        assert cameras[:, YAW].std() == pytest.approx(yaw.values[1], rel=0.15)
        assert cameras[:, PITCH].mean() == pytest.approx(pitch.values[0], abs=0.05)
        assert all(sample_scene(0, index, settings).parts[0].yaw == 0 for index in indices[:3])


def test_the_settings_reproduce_the_images(tmp_path):
    cameras, _, settings = made(tmp_path, "--controlled")
    assert settings.of_class == CONTROLLED
    for index, row in enumerate(cameras):
        np.testing.assert_array_equal(sample_camera(0, index, settings), row)
        again = render_scene(0, index, SIDE, settings=settings)
        np.testing.assert_array_equal(again.rgb, render_scene(0, index, SIDE, row, settings).rgb)


def test_one_class_is_changed_and_the_others_stay(tmp_path):
    plain, _, _ = made(tmp_path / "plain")
    changed, classes, _ = made(
        tmp_path / "changed", "--of-class", "torus.fov=constant:20", "box.yaw=constant:1"
    )
    expected = plain.copy()
    expected[classes == "torus", FOV] = 20
    expected[classes == "box", YAW] = 1
    np.testing.assert_array_equal(changed, expected)


def test_a_named_distribution_goes_before_the_table(tmp_path):
    cameras, classes, _ = made(tmp_path, "--controlled", "--of-class", "torus.fov=constant:20")
    assert cameras[classes == "torus", FOV] == 20
    assert cameras[classes == "box", FOV] == 21


def test_data_sets_from_before_have_no_classes_of_their_own():
    meta = ToySettings().as_dict()
    del meta["of_class"]
    assert ToySettings.from_dict(meta) == ToySettings()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "cat.fov=constant:20",
            r"--of-class: got 'cat.fov=constant:20', wanted CLASS.NAME=DIST with CLASS out",
        ),
        ("torus.zoom=constant:20", r"--of-class: got 'torus.zoom=constant:20', wanted CLASS.NAME=DIST"),
        ("torus.fov=20", r"--of-class torus.fov: got '20', wanted uniform:MIN:MAX"),
        ("torus.fov=constant:180", r"--of-class torus.fov: .*wanted draws inside \(0, 180\)"),
    ],
)
def test_what_is_not_possible_is_named(tmp_path, capsys, text, message):
    with pytest.raises(SystemExit):
        made(tmp_path, "--of-class", text)
    assert re.search(message, " ".join(capsys.readouterr().err.split()))
