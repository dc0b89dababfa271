"""tools/studies/cameras.py"""

import numpy as np
import pytest

from projects.threedgp.rendering import CAMERA_FIELDS
from tools.studies import cameras
from tools.studies.cameras import LearnedCameras, main, spread_markdown


def test_spread_within_a_class_does_not_count_what_lies_between_classes():
    posterior = np.zeros((4, len(CAMERA_FIELDS)))
    posterior[:, CAMERA_FIELDS.index("yaw")] = [-1.5, -0.5, 0.5, 1.5]
    learned = LearnedCameras(posterior, posterior, np.array([0, 0, 1, 1]))
    assert learned.spread("yaw") == pytest.approx((1.25**0.5, 0.5))
    assert learned.spread("pitch") == (0, 0)
    assert "| x | 1.118 | 0.500 | 0.000 | 0.000 | 0.000 | 0.000 |" in spread_markdown({"x": learned})


def test_regularizers_alone_train_the_camera_generator(tmp_path, monkeypatch):
    monkeypatch.setattr(cameras, "NUM_CAMERAS", 64)
    tables = []
    for steps in (0, 20):
        main([str(tmp_path / "out.md"), "--steps", str(steps)])
        tables.append((tmp_path / "out.md").read_text().splitlines()[2:])
    (emd, slope), (trained_emd, trained_slope) = tables
    assert emd.split("|")[2:] == slope.split("|")[2:]
    assert trained_emd != emd and trained_slope.split("|")[2:] != trained_emd.split("|")[2:]
