"""projects/threedgp/engine/plain_unpickling.py: nothing in a checkpoint is run."""

import os
import pickle

import numpy as np
import pytest
import torch
from mmengine.logging import HistoryBuffer

from projects.threedgp.engine.checkpoint_loading import read_checkpoint
from projects.threedgp.engine.plain_unpickling import load_plain


class Payload:
    """Has a function called by whoever unpickles it."""

    def __init__(self, function, *arguments):
        self.call = function, arguments

    def __reduce__(self):
        return self.call


PAYLOADS = {
    "exec": lambda mark: Payload(exec, f"open({mark!r}, 'w')"),
    "os.system": lambda mark: Payload(os.system, f"touch {mark}"),
    "open": lambda mark: Payload(open, mark, "w"),
    "a method of a string": lambda mark: Payload(getattr, "text", "upper"),
    "a hidden attribute of an allowed class": lambda mark: Payload(getattr, HistoryBuffer, "__init__"),
}
CONTAINERS = {
    "torch": lambda content, path: torch.save(content, path),
    "old torch": lambda content, path: torch.save(content, path, _use_new_zipfile_serialization=False),
    "pickle": lambda content, path: path.write_bytes(pickle.dumps(content, protocol=2)),
    "later pickle": lambda content, path: path.write_bytes(pickle.dumps(content)),
}


@pytest.mark.parametrize("container", CONTAINERS)
@pytest.mark.parametrize("payload", PAYLOADS)
def test_what_a_file_wants_called_is_refused_by_name(tmp_path, payload, container):
    mark, path = tmp_path / "written", tmp_path / "evil.pth"
    content = dict(state_dict=dict(weight=torch.ones(2)), meta=PAYLOADS[payload](str(mark)))
    CONTAINERS[container](content, path)
    with pytest.raises(ValueError, match=r"evil\.pth.*nothing in it was run"):
        read_checkpoint(path)
    assert not mark.exists()


def test_the_reason_is_named(tmp_path):
    torch.save(dict(meta=Payload(os.system, "true")), tmp_path / "evil.pth")
    with pytest.raises(ValueError, match=r"more than tensors and plain values \(.*posix\.system"):
        read_checkpoint(tmp_path / "evil.pth")


def test_what_the_runner_saves_comes_back(tmp_path):
    """Tensors, histories of logged values, and NumPy's numbers and arrays."""
    history = HistoryBuffer([1.0, 2.0], [1, 1])
    content = dict(
        state_dict=dict(weight=torch.arange(3.0)),
        message_hub=dict(log_scalars=dict(loss=history), best=np.float64(3.5), seen=np.arange(3)),
        meta=dict(cfg="a = 1", classes=["cat", "dog"], iter=4),
    )
    torch.save(content, tmp_path / "run.pth")
    stored = load_plain(tmp_path / "run.pth")
    assert torch.equal(stored["state_dict"]["weight"], torch.arange(3.0))
    assert stored["message_hub"]["log_scalars"]["loss"].mean() == 1.5
    assert stored["message_hub"]["best"] == 3.5 and stored["message_hub"]["seen"].tolist() == [0, 1, 2]
    assert stored["meta"] == content["meta"]


@pytest.mark.parametrize("name", ["modelzoo://resnet50", "openmmlab://any", "s3://bucket/a.pth", "pavi://a"])
def test_other_ways_to_name_a_checkpoint_are_refused(name):
    with pytest.raises(ValueError, match="wanted a path, or a URL"):
        read_checkpoint(name)


def test_a_download_is_kept_and_read_like_a_file(tmp_path, monkeypatch):
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path / "hub"))
    asked = []

    def download(url, path):
        asked.append(url)
        torch.save(dict(state_dict={}), path)

    monkeypatch.setattr(torch.hub, "download_url_to_file", download)
    for _ in range(2):
        assert read_checkpoint("https://example.org/zoo/a.pth?x=1") == dict(state_dict={})
    assert asked == ["https://example.org/zoo/a.pth?x=1"]


def test_a_download_that_fails_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path / "hub"))

    def offline(url, path):
        raise OSError("no route to host")

    monkeypatch.setattr(torch.hub, "download_url_to_file", offline)
    with pytest.raises(FileNotFoundError, match=r"a\.pth cannot be downloaded \(no route"):
        read_checkpoint("https://example.org/a.pth")
    assert not list((tmp_path / "hub").rglob("*.pth"))
