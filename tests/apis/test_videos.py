"""Video files."""

import imageio.v2 as imageio
import numpy as np
import pytest

from projects.threedgp.apis import write_video


def test_odd_sizes_are_padded_and_colours_stay(tmp_path):
    frame = np.zeros((33, 45, 3), dtype=np.uint8)
    frame[..., 0] = 255
    path = write_video(tmp_path / "new" / "red.mp4", [frame] * 5, fps=10)
    with imageio.get_reader(path) as reader:
        meta, frames = reader.get_meta_data(), list(reader.iter_data())
    assert meta["codec"] == "h264" and meta["pix_fmt"].startswith("yuv420p")
    assert meta["fps"] == 10
    assert [frame.shape for frame in frames] == [(34, 46, 3)] * 5
    red, green, blue = np.mean(frames, axis=(0, 1, 2))
    assert red > 240 and green < 15 and blue < 15


def test_a_failure_leaves_no_file(tmp_path):
    def broken():
        yield np.zeros((32, 32, 3), dtype=np.uint8)
        raise RuntimeError("stopped")

    with pytest.raises(RuntimeError, match="stopped"):
        write_video(tmp_path / "a.mp4", broken())
    with pytest.raises(ValueError, match="frames: got none"):
        write_video(tmp_path / "a.mp4", [])
    assert not list(tmp_path.iterdir())
