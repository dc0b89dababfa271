"""tools/studies/regularizers.py"""

from dataclasses import replace

import numpy as np
import pytest
import torch

from projects.threedgp.rendering import CAMERA_FIELDS
from projects.threedgp.studies import regularizers
from projects.threedgp.studies.arms import EMD_REGULARIZER, FULL
from projects.threedgp.studies.plots import CAMERA_LABELS
from projects.threedgp.studies.regularizers import (
    distances_markdown,
    regularizer_loss,
    train_on_regularizers,
)
from tools.studies import regularizers as tool


@pytest.fixture
def data(tmp_path):
    """True cameras that all stand in one place."""
    folder = tmp_path / "toy"
    folder.mkdir()
    true = np.zeros((10, len(CAMERA_FIELDS)), dtype=np.float32)
    true[:, CAMERA_FIELDS.index("pitch")] = 1.3
    np.save(folder / "cameras.npy", true)
    return folder


@pytest.mark.parametrize("arm", [FULL, EMD_REGULARIZER], ids=lambda arm: arm.name)
def test_regularizers_alone_fall(arm):
    regularizers.init_default_scope("mmagic")
    # Without the ramp nothing but the training itself changes the loss.
    ramps = {f"model.camera_regularizers.{i}.ramp": 1.0 for i in (0, 1)}
    arm = replace(arm, options={**arm.options, **ramps} if arm is FULL else no_ramp(arm.options))
    before, after = (train_on_regularizers(arm, steps) for steps in (0, 60))
    losses = []
    for model in (before, after):
        torch.manual_seed(1)
        losses.append(np.mean([regularizer_loss(model).item() for _ in range(8)]))
    assert losses[1] < 0.7 * losses[0]


def no_ramp(options):
    """The options of an arm that replaces all regularisers, with the whole weight from the start."""
    replaced = [
        {**each, "ramp": 1.0} if "ramp" in each else each for each in options["model.camera_regularizers"]
    ]
    return {**options, "model.camera_regularizers": replaced}


def table(path):
    """The numbers of each row."""
    rows = [line.strip("|").split("|") for line in path.read_text().splitlines()[2:]]
    return [[float(cell) for cell in cells[1:]] for cells in rows]


def test_the_prior_stays_and_the_others_are_trained(data, tmp_path, monkeypatch):
    tables = []
    for steps in (0, 5):
        # From anywhere, as the tools of this project are called.
        monkeypatch.chdir(tmp_path)
        tool.main([str(data), str(tmp_path / "out.md"), "--steps", str(steps)])
        tables.append(table(tmp_path / "out.md"))
    (prior, slope, emd), (same_prior, trained_slope, trained_emd) = tables
    assert prior == same_prior and slope == emd
    assert trained_slope != slope and trained_emd != emd
    # Yaw is uniform in +-1.57: its deviation is 1.57 / sqrt(3), and a camera is 1.57 / 2 from the middle.
    assert prior[:3] == pytest.approx([1.57 / 3**0.5, 1.57 / 3**0.5, 1.57 / 2], rel=0.1)


def test_a_row_tells_all_cameras_from_those_of_a_class():
    ends = ("_std", "_std_in_class", "_in_class")
    values = {f"{field}{end}": i for field in CAMERA_LABELS for i, end in enumerate(ends)}
    assert distances_markdown({"x": values}).splitlines()[2] == "| x |" + " 0.000 | 1.000 | 2.000 |" * 3
