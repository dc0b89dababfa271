"""Histograms of cameras during training."""

import json

import numpy as np
import pytest
import torch
from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from projects.threedgp.engine.camera_histogram_hook import (
    SHOWN_FIELDS,
    CameraHistogramHook,
    columns,
    plot_cameras,
    summary,
)
from projects.threedgp.models.cameras.camera_prior import CameraPrior
from projects.threedgp.rendering import Camera
from tests import tiny_runs


@pytest.fixture
def run(tmp_path):
    tiny_runs.training(
        *(tmp_path / "run", tiny_runs.write_images(tmp_path / "data"), 0.008),
        custom_hooks=[dict(type="CameraHistogramHook", interval=1, num_samples=64)],
        visualizer=dict(
            type="Visualizer",
            vis_backends=[dict(type="LocalVisBackend"), dict(type="TensorboardVisBackend")],
        ),
    ).train()
    return tmp_path / "run"


def test_plot_histograms_and_scalars_are_written(run):
    plot = np.asarray(Image.open(run / "cameras" / "kimg_000000.008.png"))
    assert plot.shape[2] == 3 and plot.std() > 0
    events = EventAccumulator(str(next(run.glob("*/vis_data"))), dict(histograms=0)).Reload()
    for name in SHOWN_FIELDS:
        assert [event.step for event in events.Histograms(f"camera/{name}")] == [1, 2]
        prior = events.Histograms(f"camera_prior/{name}")
        assert prior[0].histogram_value.num == prior[1].histogram_value.num == 64
    lines = next(run.glob("*/vis_data/scalars.json")).read_text().splitlines()
    records = [record for record in map(json.loads, lines) if "camera/yaw_mean" in record]
    assert [record["step"] for record in records] == [1, 2]
    assert all(f"camera/{name}_std" in records[0] for name in SHOWN_FIELDS)


def test_seven_parameters_are_shown_each_with_its_own_numbers():
    params = torch.arange(16.0).reshape(2, 8)
    values = columns(Camera(params))
    assert len(values) == 7 and "roll" not in values
    assert values["yaw"].tolist() == [0, 8] and values["look_at_radius"].tolist() == [7, 15]
    assert summary(values)["camera/fov_deg_mean"] == 7
    assert summary(values)["camera/fov_deg_std"] == 4


def test_constant_and_broken_parameters_can_be_plotted():
    prior = columns(CameraPrior().sample(32))
    broken = {name: np.full(32, np.nan, np.float32) for name in SHOWN_FIELDS}
    for posterior in (prior, broken):
        plot_cameras(prior, posterior)


def test_there_is_at_least_one_camera_to_show():
    assert CameraHistogramHook(interval=1, num_samples=1).num_samples == 1
    with pytest.raises(ValueError, match="got num_samples=0, wanted at least 1"):
        CameraHistogramHook(interval=1, num_samples=0)
