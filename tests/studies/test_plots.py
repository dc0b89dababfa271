"""projects/threedgp/studies/plots.py: pictures of runs made up by hand and of an untrained tiny model."""

import imageio.v3 as iio
import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch

from projects.threedgp.apis import ThreeDGPInferencer
from projects.threedgp.engine.pictures import CAPTION_HEIGHT, colorize_depth, enlarge
from projects.threedgp.rendering import CAMERA_FIELDS
from projects.threedgp.studies import plots
from projects.threedgp.studies.plots import (
    draw_mean_curve,
    learned_cameras,
    plot_cameras,
    plot_curves,
    sample_grid,
)
from tests.studies.made_up import FULL, LESS, made_up_run, val_record
from tests.tiny import CLASSES, SIZE, tiny_model_config

FID = "FID/fid"
GAP = 2
DPI = 110


def run_of(out, arm=FULL, seed=0, **generator):
    """A run with two validations and an untrained tiny model."""
    log = [val_record(10, FID, 30.0 + seed), val_record(20, FID, 20.0)]
    config = f"model = {tiny_model_config(generator=generator)!r}\n"
    run = made_up_run(out, arm, seed, log=log, config=config)
    torch.manual_seed(seed)
    model = ThreeDGPInferencer(run.config_path, device="cpu").model
    checkpoint = run.folder / "iter_20.pth"
    torch.save(dict(state_dict=model.state_dict()), checkpoint)
    (run.folder / "last_checkpoint").write_text(str(checkpoint))
    return run


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Two seeds of one arm, and one of an arm without camera generator."""
    out = tmp_path_factory.mktemp("runs")
    return [run_of(out), run_of(out, seed=1), run_of(out, LESS, camera_generator=None)]


def picture(path):
    """The pixels of a picture with something in it, and beside which nothing was left."""
    assert [file.name for file in path.parent.iterdir() if file.name.startswith(".")] == []
    pixels = iio.imread(path)[..., :3]
    assert pixels.std() > 0
    return pixels


def test_arms_are_told_apart_by_colour_and_seeds_are_not(tmp_path, runs, monkeypatch):
    drawn = []
    monkeypatch.setattr(plots, "draw_mean_curve", lambda _, *arguments: drawn.append(arguments))
    plot_curves(tmp_path / "curves.png", runs, FID, "FID")
    assert drawn == [
        ([([0.08, 0.16], [30.0, 20.0]), ([0.08, 0.16], [31.0, 20.0])], "all of it", "C0"),
        ([([0.08, 0.16], [30.0, 20.0])], "less of it", "C1"),
    ]


def test_curves_are_written(tmp_path, runs):
    plot_curves(tmp_path / "new" / "curves.png", runs, FID, "FID")
    picture(tmp_path / "new" / "curves.png")


def test_the_mean_goes_as_far_as_all_seeds_do():
    figure, axes = plt.subplots()
    draw_mean_curve(axes, [([1, 2, 3], [9.0, 6.0, 3.0]), ([1, 2], [7.0, 2.0])], "title", "C0")
    first, second, mean = (line.get_xydata().tolist() for line in axes.lines)
    assert first == [[1, 9], [2, 6], [3, 3]] and second == [[1, 7], [2, 2]]
    assert mean == [[1, 8], [2, 4]]
    assert axes.lines[-1].get_label() == "title (2 seeds)"
    plt.close(figure)


def test_all_runs_get_the_same_prior_cameras_and_keep_them_without_a_camera_generator(runs):
    (prior, posterior), (other_prior, _), (_, fixed) = (learned_cameras(run) for run in runs)
    assert prior.shape == (plots.NUM_CAMERAS, len(CAMERA_FIELDS))
    np.testing.assert_array_equal(prior, other_prior)
    np.testing.assert_array_equal(prior, fixed)
    assert np.abs(prior - posterior).max() > 1e-3


@pytest.mark.parametrize("arms", [1, 2])
def test_cameras_have_a_row_for_each_arm_with_a_line_for_each_seed(tmp_path, runs, arms, monkeypatch):
    counts, draw = [], plots.draw_histograms

    def counted(axes, true, prior, *posteriors):
        counts.append((len(true), len(posteriors)))
        draw(axes, true, prior, *posteriors)

    monkeypatch.setattr(plots, "draw_histograms", counted)
    true = np.random.default_rng(0).normal(size=(50, len(CAMERA_FIELDS)))
    np.save(tmp_path / "true.npy", true)
    plot_cameras(tmp_path / "cameras.png", runs[: arms + 1], tmp_path / "true.npy")
    assert counts == ([(50, 2)] * 3 + [(50, 1)] * 3)[: 3 * arms]
    height, width, _ = picture(tmp_path / "cameras.png").shape
    assert (height, width) == (int(1.7 * arms * DPI), 9 * DPI)


@pytest.mark.parametrize("rows", [1, 3])
def test_the_grid_has_a_row_for_each_run(tmp_path, runs, rows):
    sample_grid(tmp_path / "samples.png", runs[:rows], enlargement=2)
    side = 2 * SIZE
    row = CAPTION_HEIGHT + 2 * side + GAP
    shape = (rows * (row + GAP) - GAP, CLASSES * (side + GAP) - GAP, 3)
    assert picture(tmp_path / "samples.png").shape == shape


def test_a_column_is_a_class_in_colour_over_depth(tmp_path, runs):
    sample_grid(tmp_path / "samples.png", runs[:1], enlargement=2)
    pixels, side = picture(tmp_path / "samples.png"), 2 * SIZE
    inferencer = ThreeDGPInferencer(runs[0].config_path, runs[0].checkpoint)
    sample = inferencer.sample(CLASSES, list(range(CLASSES)), seed=1)[3]
    left, top = 3 * (side + GAP), CAPTION_HEIGHT
    depth = enlarge(colorize_depth(sample.depth, *inferencer.depth_range), 2)
    for expected, start in ((enlarge(sample.rgb, 2), top), (depth, top + side + GAP)):
        np.testing.assert_array_equal(pixels[start : start + side, left : left + side], expected)


def test_a_model_without_classes_shows_eight_samples(tmp_path):
    run = made_up_run(tmp_path, config=f"model = {tiny_model_config(num_classes=None)!r}\n")
    sample_grid(tmp_path / "samples.png", [run], enlargement=1)
    assert picture(tmp_path / "samples.png").shape[1] == 8 * (SIZE + GAP) - GAP
