"""tools/plot_logs.py and engine/curves.py: from the toolkit's scalar logs to one picture."""

import json
import math

import imageio.v3 as iio
import numpy as np
import pytest
from matplotlib.figure import Figure

from projects.threedgp.engine import curves
from tools import plot_logs


def write_log(work_dir, name, *lines):
    folder = work_dir / name / "vis_data"
    folder.mkdir(parents=True)
    texts = [line if isinstance(line, str) else json.dumps(line) for line in lines]
    (folder / "scalars.json").write_text("\n".join(texts) + "\n")


def curves_of(work_dir):
    return curves.collect_curves(curves.read_records(curves.find_logs(work_dir)))


def test_draws_training_and_validation_values(tmp_path):
    train = [{"loss_disc": 1.0 / i, "lr": 1e-3, "iter": i, "step": i} for i in range(1, 5)]
    write_log(tmp_path, "20250101_000000", *train, {"FID/fid": 300.0, "step": 4})
    plot_logs.main([str(tmp_path)])
    picture = iio.imread(tmp_path / "curves.png")
    assert picture.ndim == 3 and picture.std() > 0
    assert not list(tmp_path.glob(".curves*"))


def test_resumed_run_replaces_the_steps_it_repeats(tmp_path):
    write_log(tmp_path, "20250101_000000", {"loss": 1.0, "step": 1}, {"loss": 2.0, "step": 2})
    write_log(tmp_path, "20250102_000000", {"loss": 3.0, "step": 2}, {"loss": 4.0, "step": 3})
    assert curves_of(tmp_path) == {"loss": {1: 1.0, 2: 3.0, 3: 4.0}}


def test_another_run_in_the_folder_replaces_all_of_a_longer_one(tmp_path):
    write_log(tmp_path, "20250101_000000", *({"loss": 1.0, "step": step} for step in (5, 10, 15)))
    write_log(tmp_path, "20250102_000000", {"loss": 2.0, "step": 5}, {"loss": 3.0, "step": 10})
    assert curves_of(tmp_path) == {"loss": {5: 2.0, 10: 3.0}}


def test_ragged_records_and_a_cut_off_line_do_no_harm(tmp_path, capsys):
    write_log(
        tmp_path,
        "20250101_000000",
        {"loss": 1.0, "name": "x", "flag": True, "step": 1},
        {"other": math.nan, "step": 2},
        {"loss": 3.0},
        '{"loss": 2.0, "st',
    )
    assert curves_of(tmp_path) == {"loss": {1: 1.0}}
    assert "scalars.json:4" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("name", "panel"),
    [
        ("loss_disc_gan", "Losses"),
        ("logits_real", "Logits"),
        ("grad_norm/generator", "Gradient norms"),
        ("FID-Full/fid", "Metrics"),
        ("schedule/blur_sigma", "Schedules"),
        ("schedule/CameraEMDRegularizer", "Schedules"),
        ("memory", "Speed and memory"),
        ("something", "Others"),
    ],
)
def test_each_value_has_its_panel(name, panel):
    assert curves.panel_of(name) == panel


def test_no_log_and_no_numbers_are_said_so(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"no \*/vis_data/scalars.json"):
        plot_logs.main([str(tmp_path)])
    write_log(tmp_path, "20250101_000000", {"step": 1})
    with pytest.raises(ValueError, match="no numbers yet"):
        plot_logs.main([str(tmp_path)])


def test_the_axis_counts_images_also_between_what_was_logged():
    convert = curves.kimg_of_steps({"kimg": {10: 0.08, 30: 0.24}})
    # A validation at iteration 40 follows the last line of the log by 10 iterations of 8 images.
    np.testing.assert_allclose(convert([10, 20, 30, 40]), [0.08, 0.16, 0.24, 0.32])
    assert curves.kimg_of_steps({"loss": {1: 2.0}}) is None
    assert curves.kimg_of_steps({"kimg": {1: 0.0}}) is None


def test_each_camera_parameter_that_moves_has_its_own_panel(tmp_path, monkeypatch):
    fields = {"yaw": (0.1, 0.5), "fov_deg": (20.0, 3.0), "radius": (1.0, 0.0)}
    logged = {
        f"camera/{name}_{kind}": {1: pair[i]}
        for name, pair in fields.items()
        for i, kind in enumerate(["mean", "std"])
    }
    assert curves.camera_curves(logged) == {"yaw": ({1: 0.1}, {1: 0.5}), "fov_deg": ({1: 20.0}, {1: 3.0})}
    titles = []
    monkeypatch.setattr(curves, "_draw_all", lambda drawings, unit: titles.extend(drawings) or Figure())
    curves.plot_curves(logged | {"loss": {1: 1.0}}, tmp_path / "a.png")
    assert [title for title, _ in titles] == [
        "Losses",
        "Camera: yaw (rad)",
        "Camera: field of view (degrees)",
    ]
