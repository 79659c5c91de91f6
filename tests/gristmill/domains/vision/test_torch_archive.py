"""Tensors are read as they were written; whatever else an archive asks for is refused."""

import collections
import io
import pickle
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from gristmill.domains.vision.torch_archive import read_tensors

MAGIC, VERSION = 0x1950A86A20F9469CFC6C, 1001
NUMBERS = np.arange(24, dtype=np.float32)


class Storage(list[Any]):
    """What an archive says of the numbers of a tensor."""


class Tensor:
    """A view of numbers, which is pickled as PyTorch pickles a tensor."""

    def __init__(self, storage: Storage, offset: int, shape: tuple[int, ...], strides: tuple[int, ...]) -> None:
        self.described = (storage, offset, shape, strides, False, collections.OrderedDict())

    def __reduce__(self) -> tuple[Any, ...]:
        return (sys.modules["torch._utils"]._rebuild_tensor_v2, self.described)


class TensorPickler(pickle.Pickler):
    """Refers to storages, whose numbers follow the pickles."""

    def persistent_id(self, each: Any) -> tuple[Any, ...] | None:
        return tuple(each) if isinstance(each, Storage) else None


@pytest.fixture
def kinds(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """Return a module of the names that an archive has from PyTorch, which is not installed."""
    torch, utils = ModuleType("torch"), ModuleType("torch._utils")
    for name in ("FloatStorage", "LongStorage", "HalfStorage"):
        setattr(torch, name, type(name, (), {"__module__": "torch", "__qualname__": name}))

    def _rebuild_tensor_v2(*described: Any) -> None:
        raise AssertionError("nothing of an archive is called")

    _rebuild_tensor_v2.__module__, _rebuild_tensor_v2.__qualname__ = "torch._utils", "_rebuild_tensor_v2"
    vars(utils)["_rebuild_tensor_v2"] = _rebuild_tensor_v2
    monkeypatch.setitem(sys.modules, "torch", torch)
    monkeypatch.setitem(sys.modules, "torch._utils", utils)
    return torch


def archive(tensors: object, numbers: dict[str, npt.NDArray[Any]], magic: int = MAGIC, version: int = VERSION) -> bytes:
    """Return an archive as PyTorch wrote it before version 1.6."""
    file = io.BytesIO()
    for described in (magic, version, {"little_endian": True}):
        pickle.dump(described, file, protocol=2)
    TensorPickler(file, protocol=2).dump(tensors)
    pickle.dump(list(numbers), file, protocol=2)
    for values in numbers.values():
        file.write(len(values).to_bytes(8, "little") + values.tobytes())
    return file.getvalue()


def storage_of(kind: type, key: str = "a", count: int = 24) -> Storage:
    return Storage(["storage", kind, key, "cpu", count, None])


def test_tensors_are_views_of_their_storages(kinds: ModuleType) -> None:
    shared, counts = storage_of(kinds.FloatStorage), storage_of(kinds.LongStorage, "b", 1)
    tensors = collections.OrderedDict(
        whole=Tensor(shared, 0, (2, 3, 4), (12, 4, 1)),
        turned=Tensor(shared, 4, (4, 2), (1, 4)),
        one=Tensor(counts, 0, (), ()),
    )

    found = read_tensors(archive(tensors, {"b": np.array([7]), "a": NUMBERS}))

    assert list(found) == ["whole", "turned", "one"]
    assert found["whole"].tolist() == NUMBERS.reshape(2, 3, 4).tolist()
    assert found["turned"].tolist() == NUMBERS[4:12].reshape(2, 4).T.tolist()
    assert (found["one"].dtype, found["one"].tolist()) == (np.int64, 7)


@pytest.mark.parametrize(
    ("offset", "shape", "strides"), [(0, (25,), (1,)), (20, (5,), (1,)), (0, (2, 2), (23, 2)), (23, (2,), (-1,))]
)
def test_a_view_beyond_its_numbers_is_refused(offset: int, shape: Any, strides: Any, kinds: ModuleType) -> None:
    tensors = {"a": Tensor(storage_of(kinds.FloatStorage), offset, shape, strides)}

    with pytest.raises(ValueError, match=r"a tensor of shape .* reaches beyond its 24 numbers"):
        read_tensors(archive(tensors, {"a": NUMBERS}))


def test_a_function_that_no_tensor_needs_is_refused_and_not_called(tmp_path: Path, kinds: ModuleType) -> None:
    class Harm:
        def __reduce__(self) -> tuple[Any, ...]:
            return (Path.touch, (tmp_path / "harmed",))

    with pytest.raises(ValueError, match=r"byte [\d,]+: instruction GLOBAL .* has no place among tensors"):
        read_tensors(archive({"a": Harm()}, {}))
    assert not (tmp_path / "harmed").exists()


@pytest.mark.parametrize(
    ("tensors", "message"),
    [({"a": 1}, "not a dictionary of tensors"), ([], "not a dictionary of tensors"), ({"a": 1.5}, "BINFLOAT")],
)
def test_what_is_no_dictionary_of_tensors_is_refused(tensors: object, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        read_tensors(archive(tensors, {}))


def test_numbers_of_another_type_are_refused(kinds: ModuleType) -> None:
    tensors = {"a": Tensor(storage_of(kinds.HalfStorage), 0, (24,), (1,))}

    with pytest.raises(ValueError, match="HalfStorage has no place"):
        read_tensors(archive(tensors, {"a": NUMBERS}))


@pytest.mark.parametrize(("magic", "version"), [(1, VERSION), (MAGIC, 1002)])
def test_another_format_is_refused(magic: int, version: int) -> None:
    with pytest.raises(ValueError, match="no PyTorch archive of version 1001"):
        read_tensors(archive({}, {}, magic, version))


def test_a_storage_of_another_size_is_refused(kinds: ModuleType) -> None:
    tensors = {"a": Tensor(storage_of(kinds.FloatStorage), 0, (24,), (1,))}

    with pytest.raises(ValueError, match=r"storage a holds 23 numbers\. Expected 24"):
        read_tensors(archive(tensors, {"a": NUMBERS[:23]}))
