"""projects/threedgp/wording.py"""

import pytest

from projects.threedgp.wording import counted


@pytest.mark.parametrize(
    ("number", "noun", "text"),
    [
        (0, "image", "0 images"),
        (1, "image", "1 image"),
        (2, "depth map", "2 depth maps"),
        (1, "class", "1 class"),
        (5, "process", "5 processes"),
    ],
)
def test_one_is_not_many(number, noun, text):
    assert counted(number, noun) == text
