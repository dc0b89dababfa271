"""Weights that others trained come in whole, finite, and as tensors; any other file is named."""

import pytest
import torch
from safetensors.torch import save_file

from projects.threedgp.models.weight_files import read_weights

STATE = dict(weight=torch.arange(1000.0))


def test_both_kinds_of_files_are_read(tmp_path):
    torch.save(STATE, tmp_path / "bare.pth")
    torch.save(dict(state_dict=STATE), tmp_path / "wrapped.pth")
    save_file(STATE, tmp_path / "a.safetensors")
    for path in tmp_path.iterdir():
        assert torch.equal(read_weights(str(path))["weight"], STATE["weight"])


def test_a_bit_that_was_lost_is_found_by_the_check_sums(tmp_path):
    path = tmp_path / "a.pth"
    torch.save(STATE, path)
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"teacher=.*a\.pth' is cut or damaged"):
        read_weights(str(path), "teacher")


@pytest.mark.parametrize("value", [torch.nan, torch.inf])
@pytest.mark.parametrize("write", [torch.save, save_file])
def test_numbers_that_are_not_finite_are_refused(tmp_path, value, write):
    path = tmp_path / ("a.pth" if write is torch.save else "a.safetensors")
    write(dict(weight=torch.full((2,), value)), path)
    with pytest.raises(ValueError, match="weight holds NaN or infinity"):
        read_weights(str(path))


@pytest.mark.parametrize("content", [[1], dict(weight="a"), 3])
def test_other_contents_are_refused(tmp_path, content):
    torch.save(content, tmp_path / "a.pth")
    with pytest.raises(ValueError, match=r"a\.pth' is no file of weights"):
        read_weights(str(tmp_path / "a.pth"))
