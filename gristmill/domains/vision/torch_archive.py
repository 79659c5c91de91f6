"""Tensors in a PyTorch archive of the format before version 1.6, without PyTorch and without unpickling.

Such a file is five pickles (a number that marks the format, its version, facts about the machine, the tensors by name,
and the order of the storages), then the numbers of each storage. A pickle is a program, so its instructions are walked
here one by one: those that a dictionary of tensors needs are known, and any other is refused.
"""

import io
import pickletools
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

_MAGIC, _VERSION = 0x1950A86A20F9469CFC6C, 1001
_CONSTANTS: dict[str, Callable[[], Any]] = {
    "NONE": lambda: None,
    "NEWTRUE": lambda: True,
    "NEWFALSE": lambda: False,
    "EMPTY_DICT": dict,
    "EMPTY_LIST": list,
    "EMPTY_TUPLE": tuple,
}
_LITERALS = {"BININT", "BININT1", "BININT2", "LONG1", "BINUNICODE"}
_TUPLES = {"TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}
_DICTIONARY, _TENSOR = "collections OrderedDict", "torch._utils _rebuild_tensor_v2"
_TYPES = {"torch FloatStorage": "<f4", "torch LongStorage": "<i8"}

Tensor = npt.NDArray[Any]


class _Storage(NamedTuple):
    """Numbers that tensors are views of."""

    key: str
    dtype: str
    size: int  # numbers


class _View(NamedTuple):
    """A tensor, as a view of a storage."""

    storage: _Storage
    offset: int  # numbers
    shape: tuple[int, ...]
    strides: tuple[int, ...]  # numbers

    def of(self, numbers: Tensor) -> Tensor:
        """Return the tensor, given the numbers of its storage."""
        last = self.offset + sum((size - 1) * stride for size, stride in zip(self.shape, self.strides, strict=True))
        if min(self.offset, *self.strides, *self.shape, 0) < 0 or last >= len(numbers):
            raise ValueError(f"a tensor of shape {self.shape} reaches beyond its {len(numbers):,} numbers")
        strides = [stride * numbers.itemsize for stride in self.strides]
        return np.lib.stride_tricks.as_strided(numbers[self.offset :], self.shape, strides, writeable=False)


def read_tensors(archive: bytes) -> dict[str, Tensor]:
    """Return the tensors of an archive by name, in its own order of axes.

    Raises:
        ValueError: the file is no such archive, or holds anything but tensors.
    """
    # 1. Read the description.
    file = io.BytesIO(archive)
    if (magic := _read_pickle(file)) != _MAGIC or (version := _read_pickle(file)) != _VERSION:
        raise ValueError(f"no PyTorch archive of version {_VERSION}: received {magic if magic != _MAGIC else version}")
    _read_pickle(file)  # byte order and sizes of integers of the machine; the format is always little-endian
    views = _read_pickle(file)
    keys = _read_pickle(file)
    if not isinstance(views, dict) or not all(isinstance(view, _View) for view in views.values()):
        raise ValueError("not a dictionary of tensors")

    # 2. Read the numbers of each storage, and look at them as tensors.
    storages = {view.storage.key: view.storage for view in views.values()}
    numbers = {}
    for key in keys:
        storage = storages[key]
        count = int.from_bytes(file.read(8), "little")
        if count != storage.size:
            raise ValueError(f"storage {key} holds {count:,} numbers. Expected {storage.size:,}.")
        numbers[key] = np.frombuffer(file.read(count * np.dtype(storage.dtype).itemsize), storage.dtype, count)
    return {name: view.of(numbers[view.storage.key]) for name, view in views.items()}


def _read_pickle(file: io.BytesIO) -> Any:
    """Return what the next pickle of a file describes, with tensors as views."""
    stack: list[Any] = []
    marks: list[int] = []
    memory: dict[int, Any] = {}

    def since_mark() -> list[Any]:
        begin = marks.pop()
        items = stack[begin:]
        del stack[begin:]
        return items

    argument: Any
    for opcode, argument, position in pickletools.genops(file):
        match opcode.name:
            case "PROTO":
                pass
            case "STOP":
                return stack.pop()
            case name if name in _CONSTANTS:
                stack.append(_CONSTANTS[name]())
            case name if name in _LITERALS:
                stack.append(argument)
            case "MARK":
                marks.append(len(stack))
            case "TUPLE":
                stack.append(tuple(since_mark()))
            case name if name in _TUPLES:
                stack[-_TUPLES[name] :] = [tuple(stack[-_TUPLES[name] :])]
            case "BINPUT" | "LONG_BINPUT":
                memory[argument] = stack[-1]
            case "BINGET" | "LONG_BINGET":
                stack.append(memory[argument])
            case "APPEND":
                item = stack.pop()
                stack[-1].append(item)
            case "APPENDS":
                items = since_mark()
                stack[-1].extend(items)
            case "SETITEM":
                key, value = stack.pop(-2), stack.pop()
                stack[-1][key] = value
            case "SETITEMS":
                items = since_mark()
                stack[-1].update(zip(items[::2], items[1::2], strict=True))
            case "GLOBAL" if argument in (_DICTIONARY, _TENSOR, *_TYPES):
                stack.append(argument)  # a name, which is never looked up
            case "BINPERSID":
                stack.append(_storage(stack.pop()))
            case "REDUCE":
                arguments, function = stack.pop(), stack.pop()
                stack.append(_call(function, arguments))
            case "BUILD":
                stack.pop()  # attributes of the dictionary: versions of PyTorch's layers
            case name:
                raise ValueError(f"byte {position:,}: instruction {name} {argument or ''} has no place among tensors")
    raise ValueError("a pickle without an end")


def _storage(described: Any) -> _Storage:
    """Return a storage from its description in the pickle."""
    match described:
        case ("storage", str() as kind, str() as key, "cpu", int() as count, None) if kind in _TYPES:
            return _Storage(key, _TYPES[kind], count)
    raise ValueError(f"{described}: not a storage of numbers")


def _call(function: Any, arguments: Any) -> Any:
    """Return what a function that the pickle names gives: an empty dictionary, or a tensor."""
    match function, arguments:
        case "collections OrderedDict", ():
            return {}
        case "torch._utils _rebuild_tensor_v2", (_Storage() as storage, int() as offset, shape, strides, *_):
            return _View(storage, offset, shape, strides)
    raise ValueError(f"{function} of {arguments}: not a tensor")
