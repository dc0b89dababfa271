"""Reads the authors' training snapshots (`network-snapshot-*.pkl`) without executing anything in them.

A snapshot is a pickle that carries Python source, which the original loader executes. Here every class and
function that the pickle names becomes an inert record: it keeps what it is given and can do nothing. What
is not on the list of harmless names is refused. Tensors are rebuilt by our own code, from storages that are
pickles of their own and are read under the same rule.
"""

import io
import pickle
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

# What official snapshots of all known versions name. None of it is imported.
_HARMLESS = re.compile(
    r"""
    collections\.(OrderedDict|defaultdict)
    | builtins\.(dict|list|tuple|set|frozenset|int|float|bool|str|bytes|complex|object)
    | typing\.(Any|Union|Optional|List|Dict|Tuple)
    | omegaconf\.\w+\.[A-Z]\w*
    | (src\.)?dnnlib\.util\.(EasyDict|TensorGroup)
    | (src\.)?torch_utils\.persistence\._reconstruct_persistent_obj
    | (src\.)?training\.networks_\w+\.[A-Z]\w*
    | numpy\.(ndarray|dtype)
    | numpy\.(core|_core)\.(multiarray|numeric)\.(_reconstruct|scalar|_frombuffer)
    | torch\.(Size|device|dtype|float16|float32|float64|bfloat16|int64)
    | torch\._utils\.(_rebuild_tensor_v2|_rebuild_tensor|_rebuild_parameter(_with_state)?)
    | torch\.storage\._load_from_bytes
    | torch\.nn\.parameter\.(Parameter|Buffer)
    | torch\.nn\.modules\.\w+\.[A-Z]\w*
    | torch\.optim\.\w+\.[A-Z]\w*
    """,
    re.VERBOSE,
)
_STORAGES = {
    "torch.DoubleStorage": torch.float64,
    "torch.FloatStorage": torch.float32,
    "torch.HalfStorage": torch.float16,
    "torch.BFloat16Storage": torch.bfloat16,
    "torch.LongStorage": torch.int64,
    "torch.IntStorage": torch.int32,
    "torch.ShortStorage": torch.int16,
    "torch.CharStorage": torch.int8,
    "torch.ByteStorage": torch.uint8,
}
_TORCH_MAGIC, _TORCH_PROTOCOL = 0x1950A86A20F9469CFC6C, 1001
_MAPPINGS = ("dict", "OrderedDict", "defaultdict", "EasyDict")
_REFERENCE = re.compile(r"\$\{([\w.]+)\}")
_MAX_DEPTH = 50


class RefusedSnapshotError(ValueError):
    """The file names something that no official snapshot needs."""


@dataclass(frozen=True)
class OfficialSnapshot:
    """What an official training snapshot holds, as plain values.

    Args:
        generator: State of ``G`` under its official names, buffers included, on the CPU.
        generator_ema: State of ``G_ema``.
        discriminator: State of ``D``.
        config: The stored configuration with all references resolved: ``model``, ``camera``, ``training``,
            ``dataset``, and what else there is.
        images_seen: Images seen in training (``cur_nimg``).
    """

    generator: dict[str, Tensor]
    generator_ema: dict[str, Tensor]
    discriminator: dict[str, Tensor]
    config: dict[str, Any]
    images_seen: int


def read_official_snapshot(path: str | Path) -> OfficialSnapshot:
    """Read a snapshot; nothing in it is executed.

    Args:
        path: A ``network-snapshot-*.pkl``.

    Raises:
        RefusedSnapshotError: If it names a class or function that is not on the list of harmless ones.
        ValueError: If it is truncated, no pickle, or no training snapshot.
    """
    path = Path(path)
    try:
        with path.open("rb") as file:
            data = _Unpickler(file).load()
        generator, ema, discriminator = (_module(data[key]) for key in ("G", "G_ema", "D"))
        return OfficialSnapshot(
            generator=dict(_tensors(generator)),
            generator_ema=dict(_tensors(ema)),
            discriminator=dict(_tensors(discriminator)),
            config=_stored_config(generator),
            images_seen=int(_plain(data["stats"])["cur_nimg"]),
        )
    except RefusedSnapshotError as error:
        raise RefusedSnapshotError(f"{path}: {error}") from None
    except OSError:
        raise
    except Exception as error:  # bytes that are no snapshot can raise anything
        why = f"{type(error).__name__}: {error}"
        raise ValueError(f"{path}: no official training snapshot, or a truncated one ({why})") from error


class _Record:
    """Stands for an object: keeps its arguments, state and items, and does nothing."""

    name: str = ""
    args: tuple
    kwargs: dict
    state: Any
    items: list
    keyed: list[tuple[Any, Any]]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self.args, self.kwargs = args, kwargs

    def __new__(cls, *args: Any, **kwargs: Any) -> "_Record":
        """Give every record the same fields, whichever way the pickle makes it."""
        record = super().__new__(cls)
        record.args, record.kwargs, record.state, record.items, record.keyed = args, kwargs, None, [], []
        return record

    def __setstate__(self, state: Any) -> None:
        self.state = state

    def __setitem__(self, key: Any, value: Any) -> None:
        self.keyed.append((key, value))

    def append(self, value: Any) -> None:
        """Keep an item."""
        self.items.append(value)


class _Unpickler(pickle.Unpickler):
    """Makes records of everything; a class made here lives as long as one reading."""

    harmless = _HARMLESS

    def __init__(self, file: io.BufferedIOBase) -> None:
        super().__init__(file)
        self.classes: dict[str, type[_Record]] = {}

    def find_class(self, module: str, name: str) -> type[_Record]:
        """Return an inert class for a name on the list."""
        qualified = f"{module}.{name}"
        if not self.harmless.fullmatch(qualified):
            raise RefusedSnapshotError(
                f"it names {qualified}, which no official snapshot needs; nothing of it was executed. Do not "
                "load this file elsewhere. If you trust it and know the name to be harmless data, add it to "
                "_HARMLESS in projects/threedgp/official/snapshot.py"
            )
        base = _Storage if qualified == "torch.storage._load_from_bytes" else _Record
        return self.classes.setdefault(qualified, type(name, (base,), dict(name=qualified)))

    def persistent_load(self, pid: Any) -> Any:
        """Refuse: only storages have persistent ids."""
        raise ValueError(f"persistent id: got {pid!r}, wanted none outside of tensor storages")


class _StorageUnpickler(_Unpickler):
    """Reads the five small pickles in front of a storage's data."""

    harmless = re.compile("|".join(map(re.escape, _STORAGES)))

    def persistent_load(self, pid: Any) -> Any:
        """Return the description of the storage as it is."""
        return pid


class _Storage(_Record):
    """The data of tensors, in torch's legacy format; checked when it is met, read when it is needed."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        (self.data,) = args
        file = io.BytesIO(self.data)
        magic, protocol, system, description, keys = (_StorageUnpickler(file).load() for _ in range(5))
        if (magic, protocol) != (_TORCH_MAGIC, _TORCH_PROTOCOL) or not system["little_endian"]:
            raise ValueError("storage: wanted torch's legacy format, little endian")
        kind, storage_class, key, location, numel, view = description
        if kind != "storage" or view is not None or keys != [key]:
            raise ValueError(f"storage: got {(kind, view, keys)}, wanted one whole storage")
        if not re.fullmatch(r"cpu|cuda(:\d+)?", location):
            raise ValueError(f"storage: got location {location!r}, wanted cpu or cuda:N")
        self.dtype, self.numel = _STORAGES[storage_class.name], numel
        count = int.from_bytes(file.read(8), "little")
        self.start = file.tell()
        size = len(self.data) - self.start
        if not (count == numel >= 0 and size == numel * self.dtype.itemsize):
            raise ValueError(f"storage: got {size} bytes for {numel} elements of {self.dtype}")

    def tensor(self) -> Tensor:
        """Return a copy of the data as a vector."""
        raw = np.array(memoryview(self.data)[self.start :], np.uint8)
        return torch.from_numpy(raw).view(self.dtype)


def _tensor(record: _Record) -> Tensor:
    """Rebuild a tensor or parameter."""
    if record.name.startswith("torch._utils._rebuild_parameter"):
        record = record.args[0]
    if not record.name.startswith("torch._utils._rebuild_tensor"):
        raise ValueError(f"tensor: got {record.name}, wanted torch's way of pickling tensors")
    storage, offset, shape, stride = record.args[:4]
    numbers = (offset, *shape, *stride)
    if len(shape) != len(stride) or not all(isinstance(n, int) and n >= 0 for n in numbers):
        raise ValueError(f"tensor: got offset {offset}, shape {shape}, stride {stride}")
    last = offset + sum((n - 1) * step for n, step in zip(shape, stride, strict=True))
    if all(shape) and last >= storage.numel:
        raise ValueError(f"tensor: got shape {shape}, which needs {last + 1} of {storage.numel} elements")
    return storage.tensor().as_strided(shape, stride, offset).clone()


def _module(record: _Record) -> dict[str, Any]:
    """Return the ``__dict__`` of a module, persistent or plain."""
    state = record.state
    if record.name.endswith("_reconstruct_persistent_obj"):
        (meta,) = record.args
        state = meta["state"]
    if not isinstance(state, dict) or "_parameters" not in state:
        raise ValueError(f"module: got {record.name} without parameters")
    return state


def _tensors(module: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, Tensor]]:
    """Yield the tensors that the module's ``state_dict`` would have."""
    volatile = _members(module.get("_non_persistent_buffers_set", ()))
    for name, record in _pairs(module["_parameters"]) + _pairs(module["_buffers"]):
        if record is not None and name not in volatile:
            yield prefix + name, _tensor(record)
    for name, record in _pairs(module["_modules"]):
        if record is not None:
            yield from _tensors(_module(record), f"{prefix}{name}.")


def _pairs(mapping: Any) -> list[tuple[Any, Any]]:
    return mapping.keyed if isinstance(mapping, _Record) else list(mapping.items())


def _members(collection: Any) -> Any:
    """Return the elements of a set, whichever way it was pickled."""
    if isinstance(collection, _Record):
        return collection.args[0] if collection.args else ()
    return collection


def _stored_config(generator: dict[str, Any]) -> dict[str, Any]:
    """Return the whole configuration, of which the generator's is a part."""
    root = generator["cfg"]
    for _ in range(_MAX_DEPTH):
        state = root.state if isinstance(root, _Record) else None
        root = (isinstance(state, dict) and state.get("_parent")) or root
    config = _plain(root)
    if "model" not in config:
        raise ValueError(f"config: got {sorted(config)}, wanted model, camera, training and dataset")
    return _resolve(config, config)


def _plain(node: Any) -> Any:
    """Turn configuration records into plain values; what is none becomes its name in angle brackets."""
    if isinstance(node, dict):
        return {_plain(key): _plain(value) for key, value in node.items()}
    if isinstance(node, list | tuple):
        return [_plain(value) for value in node]
    if not isinstance(node, _Record):
        return node
    if node.name.rpartition(".")[2] in _MAPPINGS:
        return {_plain(key): _plain(value) for key, value in node.keyed}
    if node.name.startswith("omegaconf.") and isinstance(node.state, dict):
        content = node.state["_content"] if "_content" in node.state else node.state.get("_val")
        return _plain(content.items if isinstance(content, _Record) else content)
    return f"<{node.name}>"


def _resolve(node: Any, root: dict[str, Any], depth: int = 0) -> Any:
    """Replace references such as ``${dataset.c_dim}``; those to nowhere (other resolvers) stay."""
    if depth > _MAX_DEPTH:
        raise ValueError("config: references go in a circle")
    if isinstance(node, dict):
        return {key: _resolve(value, root, depth + 1) for key, value in node.items()}
    if isinstance(node, list):
        return [_resolve(value, root, depth + 1) for value in node]
    if not isinstance(node, str):
        return node
    if whole := _REFERENCE.fullmatch(node):
        found = _look_up(root, whole[1])
        return node if found is None else _resolve(found, root, depth + 1)
    return _REFERENCE.sub(lambda match: str(_resolve(match[0], root, depth + 1)), node)


def _look_up(root: Any, path: str) -> Any:
    for key in path.split("."):
        root = root.get(key) if isinstance(root, dict) else None
    return root
