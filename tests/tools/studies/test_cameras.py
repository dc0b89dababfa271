"""tools/studies/cameras.py"""

import numpy as np
import pytest

from projects.threedgp.rendering import CAMERA_FIELDS
from tools.studies import cameras
from tools.studies.cameras import distances_markdown, main


@pytest.fixture
def data(tmp_path, monkeypatch):
    """True cameras that all stand in one place."""
    monkeypatch.setattr(cameras, "NUM_CAMERAS", 256)
    folder = tmp_path / "toy"
    folder.mkdir()
    true = np.zeros((10, len(CAMERA_FIELDS)), dtype=np.float32)
    true[:, CAMERA_FIELDS.index("pitch")] = 1.3
    np.save(folder / "cameras.npy", true)
    return folder


def table(path):
    """The numbers of each row."""
    rows = [line.strip("|").split("|") for line in path.read_text().splitlines()[2:]]
    return [[float(cell) for cell in cells[1:]] for cells in rows]


def test_regularizers_alone_train_the_camera_generator_and_leave_the_prior(data, tmp_path):
    tables = []
    for steps in (0, 20):
        main([str(data), str(tmp_path / "out.md"), "--steps", str(steps)])
        tables.append(table(tmp_path / "out.md"))
    (prior, ours, emd), (same_prior, trained, trained_emd) = tables
    assert prior == same_prior and ours == emd
    assert trained != ours and trained_emd not in (emd, trained)
    # Yaw is uniform in +-1.57: its deviation is 1.57 / sqrt(3), and a camera is 1.57 / 2 from the middle.
    assert prior[:3] == pytest.approx([1.57 / 3**0.5, 1.57 / 3**0.5, 1.57 / 2], rel=0.1)


def test_a_row_tells_all_cameras_from_those_of_a_class():
    ends = ("_std", "_std_in_class", "_in_class")
    values = {f"{field}{end}": i for field in cameras.FIELDS for i, end in enumerate(ends)}
    assert distances_markdown({"x": values}).splitlines()[2] == "| x |" + " 0.000 | 1.000 | 2.000 |" * 3
