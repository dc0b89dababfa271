"""tools/render.py, on an untrained tiny model."""

import argparse

import cv2
import imageio.v2 as imageio
import pytest
import torch

from projects.threedgp.apis import ThreeDGPInferencer
from projects.threedgp.apis.galleries import VISIBLE_SIDE
from projects.threedgp.command_line import grid_shape
from projects.threedgp.engine.pictures import CAPTION_HEIGHT
from tests.tiny import tiny_model_config
from tools import render

SIDE, GAP = 16, 2


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("render")
    config, checkpoint = folder / "tiny.py", folder / "a.pth"
    config.write_text(f"model = {tiny_model_config()!r}\n")
    meta = dict(dataset_meta=dict(classes=["ant", "bee", "cat", "dog", "eel"]))
    model = ThreeDGPInferencer(str(config), device="cpu").model
    torch.save(dict(state_dict=model.state_dict(), meta=meta), checkpoint)
    return str(config), str(checkpoint)


def run(files, out, *argv):
    fast = ("--resolution", SIDE, "--device", "cpu", "--steps-factor", 1)
    render.main([*files, "--out", str(out), *map(str, fast + argv)])


def picture_size(path):
    height, width = cv2.imread(str(path)).shape[:2]
    return height, width


def test_pictures_and_video_have_the_sizes_asked_for(files, tmp_path, capsys):
    run(files, tmp_path, "--enlarge", 1, "--grid", "2x3", "--labels", "bee", 4, "--frames", 8, "--fps", 12)
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "orbit.mp4",
        "orbit.png",
        "samples.png",
    ]
    # A cell is a caption over colour, depth and adapted depth.
    cell = SIDE + CAPTION_HEIGHT
    assert picture_size(tmp_path / "samples.png") == (2 * cell + GAP, 3 * 3 * SIDE + 2 * GAP)
    # Colour and depth of 3 samples, one below the other, at 6 moments.
    assert picture_size(tmp_path / "orbit.png") == (6 * SIDE + 5 * GAP, 6 * SIDE + 5 * GAP)
    with imageio.get_reader(tmp_path / "orbit.mp4") as reader:
        meta, frames = reader.get_meta_data(), list(reader.iter_data())
    assert [frame.shape for frame in frames] == [(2 * SIDE, 3 * SIDE, 3)] * 8
    assert meta["fps"] == 12
    printed = capsys.readouterr().out
    assert str(tmp_path / "samples.png") in printed and str(tmp_path / "orbit.mp4") in printed


def test_the_video_can_be_short_or_left_out(files, tmp_path):
    run(files, tmp_path / "short", "--grid", "1x1", "--frames", 2, "--trajectory", "line")
    side = VISIBLE_SIDE
    assert side % SIDE == 0
    assert picture_size(tmp_path / "short" / "orbit.png") == (2 * side + GAP, 2 * side + GAP)
    run(files, tmp_path / "none", "--grid", "1x1", "--orbits", 0)
    assert [path.name for path in (tmp_path / "none").iterdir()] == ["samples.png"]


def test_the_config_can_be_overridden(files, tmp_path):
    with pytest.raises(ValueError, match="it belongs to another config"):
        run(files, tmp_path, "--cfg-options", "model.generator.field.mlp_hidden_dim=8")


@pytest.mark.parametrize("text", ["4", "0x2", "axb", "2x2x2"])
def test_a_grid_is_rows_by_columns(text):
    with pytest.raises(argparse.ArgumentTypeError, match="wanted ROWSxCOLUMNS"):
        grid_shape(text)


def test_missing_files_are_named(files, capsys):
    with pytest.raises(SystemExit):
        render.parse_arguments([files[0], "missing.pth", "--out", "x"])
    assert "file 'missing.pth' does not exist" in capsys.readouterr().err
