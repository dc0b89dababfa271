"""projects/threedgp/official/snapshot.py: reads tensors and configuration, and executes nothing."""

import io
import os
import pickle
import pickletools

import numpy as np
import pytest
import torch

from projects.threedgp.official.snapshot import RefusedSnapshotError, _Storage, read_official_snapshot
from tests.official_snapshots import official_states, resolved_config, snapshot_bytes


@pytest.fixture(scope="module")
def states():
    return official_states()


def assert_same(got, wanted):
    assert got.keys() == wanted.keys()
    for name, tensor in wanted.items():
        assert got[name].dtype == tensor.dtype and torch.equal(got[name], tensor), name


class Call:
    """Calls something when it is unpickled by an ordinary loader."""

    def __init__(self, function, *args):
        self.function, self.args = function, args

    def __reduce__(self):
        return self.function, self.args


@pytest.mark.parametrize("protocol", [3, 4, 5])
def test_reads_every_tensor_and_the_configuration(states, tmp_path, protocol):
    path = tmp_path / "network-snapshot-000000.pkl"
    vis = dict(scalar=np.float64(0.5), array=np.zeros((2, 3), np.float32), kind=torch.float32)
    path.write_bytes(snapshot_bytes(states, protocol=protocol, vis=vis, augment_pipe=None))
    snapshot = read_official_snapshot(path)
    assert_same(snapshot.generator, states["G"])
    assert_same(snapshot.generator_ema, states["G_ema"])
    assert_same(snapshot.discriminator, states["D"])
    assert snapshot.config == resolved_config()
    assert snapshot.images_seen == 8


def test_tensors_that_share_a_storage_or_lie_across_it(states, tmp_path):
    base = torch.arange(80.0).reshape(8, 10)
    changed = dict(states["G"])
    changed["mapping.w_avg"] = base.T[2, 1:5]
    path = tmp_path / "a.pkl"
    path.write_bytes(snapshot_bytes(dict(states, G=changed)))
    torch.testing.assert_close(read_official_snapshot(path).generator["mapping.w_avg"], base.T[2, 1:5])


def storage_bytes(values, location="cpu"):
    """A storage in torch's legacy format, as if it lay elsewhere."""
    _, (storage, *_) = values.__reduce_ex__(2)
    _, (data,) = storage.__reduce__()
    text = b"X" + len(location).to_bytes(4, "little") + location.encode()
    return data.replace(b"X\x03\x00\x00\x00cpu", text)


@pytest.mark.parametrize("location", ["cpu", "cuda", "cuda:0", "cuda:11"])
def test_storages_of_any_gpu_are_read(states, tmp_path, location):
    path, values = tmp_path / "a.pkl", torch.arange(6.0)
    assert torch.equal(_Storage(storage_bytes(values, location)).tensor(), values)
    evil = Call(torch.storage._load_from_bytes, storage_bytes(values, "https://" + location))
    path.write_bytes(snapshot_bytes(states, vis=evil))
    with pytest.raises(ValueError, match="location 'https://"):
        read_official_snapshot(path)


# `open` is io.open, or _io.open from Python 3.13 on.
MALICIOUS = {
    "posix.system": lambda target: Call(os.system, f"touch {target}"),
    "builtins.eval": lambda target: Call(eval, f"open({str(target)!r}, 'w')"),
    "builtins.exec": lambda target: Call(exec, f"open({str(target)!r}, 'w')"),
    f"{open.__module__}.open": lambda target: Call(open, str(target), "w"),
    "torch.serialization.load": lambda target: Call(torch.load, str(target)),
    "builtins.getattr": lambda target: Call(getattr, str(target), "join"),
}


def is_refused(path, target):
    with pytest.raises(RefusedSnapshotError) as error:
        read_official_snapshot(path)
    assert str(path) in str(error.value) and not target.exists()
    return str(error.value)


@pytest.mark.parametrize("where", ["training_set_kwargs", "vis", "D_opt"])
@pytest.mark.parametrize("name", MALICIOUS)
def test_code_is_refused_by_name_and_not_executed(states, tmp_path, name, where):
    target, path = tmp_path / "written", tmp_path / "evil.pkl"
    path.write_bytes(snapshot_bytes(states, **{where: [MALICIOUS[name](target)]}))
    assert f"it names {name}," in is_refused(path, target)


def test_the_same_code_runs_in_an_ordinary_loader(tmp_path):
    """So that the tests above test something."""
    target = tmp_path / "written"
    pickle.loads(pickle.dumps(Call(os.system, f"touch {target}")))
    assert target.exists()


def test_a_pickle_of_nothing_but_code_is_refused(tmp_path):
    target, path = tmp_path / "written", tmp_path / "evil.pkl"
    for protocol in range(6):
        path.write_bytes(pickle.dumps(Call(os.system, f"touch {target}"), protocol=protocol))
        assert "system" in is_refused(path, target)


@pytest.mark.parametrize("place", range(5))
def test_code_inside_a_storage_is_refused(states, tmp_path, place):
    """A storage is a row of five pickles; any of them may hide something."""
    target, path = tmp_path / "written", tmp_path / "evil.pkl"
    evil = pickle.dumps(Call(os.system, f"touch {target}"), protocol=2)
    ends, data = [0], storage_bytes(torch.arange(4.0))
    stream = io.BytesIO(data)
    for _ in range(5):
        list(pickletools.genops(stream))
        ends.append(stream.tell())
    hidden = data[: ends[place]] + evil + data[ends[place + 1] :]
    path.write_bytes(snapshot_bytes(states, vis=Call(torch.storage._load_from_bytes, hidden)))
    assert "system" in is_refused(path, target)


def test_methods_of_allowed_names_are_refused(states, tmp_path):
    """A dotted name would reach the attributes of an allowed class."""
    path = tmp_path / "evil.pkl"
    name = b"OrderedDict.__init_subclass__"
    path.write_bytes(b"\x80\x04\x8c\x0bcollections\x8c" + bytes([len(name)]) + name + b"\x93.")
    assert "OrderedDict.__init_subclass__" in is_refused(path, tmp_path / "written")


def test_a_file_cannot_change_the_reader(states, tmp_path):
    """BUILD on a class would set attributes of the class itself."""
    path = tmp_path / "evil.pkl"
    path.write_bytes(b"\x80\x04\x8c\x0bcollections\x8c\x0bOrderedDict\x93}\x8c\x04name\x8c\x01x\x86b.")
    with pytest.raises(ValueError, match=r"evil\.pkl"):
        read_official_snapshot(path)
    path.write_bytes(snapshot_bytes(states))
    assert read_official_snapshot(path).images_seen == 8


@pytest.mark.parametrize("keep", [0, 1, 2, 50, 1000, 0.5, 0.9, -1])
def test_a_truncated_file_is_named(states, tmp_path, keep):
    path, data = tmp_path / "short.pkl", snapshot_bytes(states)
    path.write_bytes(data[: int(keep * len(data)) if isinstance(keep, float) else keep])
    with pytest.raises(ValueError, match=r"short\.pkl: no official training snapshot, or a truncated one"):
        read_official_snapshot(path)


@pytest.mark.parametrize(
    "data",
    [
        b"PK\x03\x04 a zip file",
        b"\x89HDF\r\n",
        b"not a pickle at all",
        pickle.dumps({"G": 1}),
        pickle.dumps(3),
    ],
)
def test_other_files_are_named(tmp_path, data):
    path = tmp_path / "other.pkl"
    path.write_bytes(data)
    with pytest.raises(ValueError, match=r"other\.pkl: no official training snapshot"):
        read_official_snapshot(path)


def test_a_missing_file_is_reported_as_such(tmp_path):
    with pytest.raises(FileNotFoundError):
        read_official_snapshot(tmp_path / "none.pkl")


@pytest.mark.parametrize("change", ["count", "shorter", "longer", "magic"])
def test_storages_that_contradict_themselves_are_refused(states, tmp_path, change):
    data = storage_bytes(torch.arange(4.0))
    data = dict(
        count=data[:-24] + (5).to_bytes(8, "little") + data[-16:],
        shorter=data[:-1],
        longer=data + b"\0",
        magic=data.replace(b"\x19", b"\x18", 1),
    )[change]
    path = tmp_path / "a.pkl"
    path.write_bytes(snapshot_bytes(states, vis=Call(torch.storage._load_from_bytes, data)))
    with pytest.raises(ValueError, match="storage"):
        read_official_snapshot(path)


def test_a_tensor_beyond_its_storage_is_refused(states, tmp_path):
    class Outside(torch.Tensor):
        """Claims to be larger than its data."""

        def __reduce_ex__(self, protocol):
            rebuild, (storage, _, _, _, *rest) = torch.Tensor(self).__reduce_ex__(protocol)
            return rebuild, (storage, 0, (10**6,), (1,), *rest)

    changed = dict(states["G"], **{"mapping.w_avg": torch.zeros(3).as_subclass(Outside)})
    path = tmp_path / "a.pkl"
    path.write_bytes(snapshot_bytes(dict(states, G=changed)))
    with pytest.raises(ValueError, match="which needs 1000000 of 3 elements"):
        read_official_snapshot(path)


def test_references_in_a_circle_are_reported(states, tmp_path):
    config = dict(resolved_config(), a="${b}", b="${a}")
    path = tmp_path / "a.pkl"
    path.write_bytes(snapshot_bytes(states, config=config))
    with pytest.raises(ValueError, match="circle"):
        read_official_snapshot(path)
