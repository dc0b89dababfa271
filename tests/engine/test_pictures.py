"""Depth colours, grids and files."""

import numpy as np
import pytest
import torch
from matplotlib import colormaps
from PIL import Image

from projects.threedgp.engine.pictures import captioned, colorize_depth, image_grid, save_png, to_bytes


def flat(value: int, height: int = 2, width: int = 3) -> np.ndarray:
    return np.full((height, width, 3), value, dtype=np.uint8)


def test_the_ends_of_the_scale_are_the_ends_of_the_colour_map():
    low, middle, high = colorize_depth(torch.tensor([[[0.75]], [[1.0]], [[1.25]]]), 0.75, 1.25)
    for picture, place in ((low, 0.0), (middle, 0.5), (high, 1.0)):
        expected = (np.array(colormaps["turbo"](place)[:3]) * 255).round()
        assert np.abs(picture[0, 0] - expected).max() <= 1


def test_depth_outside_the_scale_takes_the_colour_of_its_end():
    inside = colorize_depth(np.array([[-1.0, 1.0]]), -1, 1)
    outside = colorize_depth(np.array([[-9.0, np.inf]]), -1, 1)
    np.testing.assert_array_equal(inside, outside)


def test_what_is_not_a_number_is_black():
    assert not colorize_depth(torch.tensor([[torch.nan]]), 0, 1).any()


def test_colours_become_bytes_with_the_channels_last():
    rgb = torch.tensor([-1.0, 0.0, 3.0])[:, None, None].expand(3, 2, 2)
    np.testing.assert_array_equal(to_bytes(rgb)[0, 0], [0, 128, 255])
    assert to_bytes(rgb[None]).shape == (1, 2, 2, 3)


def test_grid_puts_rows_below_each_other_and_fills_up_with_white():
    grid = image_grid([[flat(1), flat(2)], [flat(3)]], gap=1)
    assert grid.shape == (5, 7, 3)
    assert (grid[:2, :3] == 1).all() and (grid[:2, 4:] == 2).all() and (grid[3:, :3] == 3).all()
    assert (grid[3:, 4:] == 255).all() and (grid[2] == 255).all()


def test_grid_refuses_pictures_of_different_sizes():
    with pytest.raises(ValueError, match="wanted one shape"):
        image_grid([[flat(0)], [flat(0, height=5)]])


def test_a_caption_stands_above_the_image():
    picture = captioned(flat(7, 4, 60), "Mg")
    assert picture.shape == (14 + 4, 60, 3) and (picture[14:] == 7).all()
    assert picture[:14].max() > 200 and not picture[:2].any() and not picture[:14, :2].any()
    np.testing.assert_array_equal(captioned(flat(7), ""), flat(7))


def test_png_has_the_pixels_and_leaves_nothing_else_behind(tmp_path):
    picture = np.random.default_rng(0).integers(0, 256, (4, 5, 3), dtype=np.uint8)
    save_png(tmp_path / "new" / "a.png", picture)
    np.testing.assert_array_equal(np.asarray(Image.open(tmp_path / "new" / "a.png")), picture)
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["a.png"]
