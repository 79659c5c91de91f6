"""Images in arrays: the idx files of MNIST and its kin, and NumPy's .npz and .npy."""

import gzip
import io
import math
import re
import struct
import tokenize
import zipfile
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from os.path import commonpath
from pathlib import Path
from typing import IO, TYPE_CHECKING, Annotated, Any, ClassVar, Literal, NamedTuple

from pydantic import Field

from gristmill.errors import DataError
from gristmill.settings import Files
from gristmill.sources.archives import told
from gristmill.sources.images import Photo
from gristmill.sources.images.folder import PARTS

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

_LARGEST = 2 << 30  # bytes of one array
_ROLES = {"images": "images", "image": "images", "x": "images", "labels": "labels", "label": "labels", "y": "labels"}
_PARTS = PARTS | {"t10k": "test"}
_NOT_IN_A_NAME = {"idx1", "idx3", "ubyte", "gz", "npy"}


_Stream = IO[bytes] | gzip.GzipFile


class _Array(NamedTuple):
    name: str  # in its file, or of its file
    where: str  # what a message begins with
    id: str  # file, and array in it, below the common folder
    read: Callable[[], "npt.NDArray[Any]"]


class _Header(NamedTuple):
    shape: tuple[int, ...]
    in_columns: bool  # the first index runs fastest
    dtype: "np.dtype[Any]"


class _Pair(NamedTuple):
    images: _Array
    labels: _Array
    part: str | None


class Arrays(Files):
    """Images of one size and their labels, in pairs of arrays that their names tell apart.

    A pair is named alike but for `images` and `labels`, or `x` and `y`, and its part by `train`, `validation`, `test`
    or `t10k`: `x_train` and `y_train`, or `t10k-images-idx3-ubyte.gz` and `t10k-labels-idx1-ubyte.gz`.
    """

    suffixes: ClassVar[tuple[str, ...]] = (".npz", ".npy", "ubyte", "ubyte.gz")

    kind: Literal["arrays"]
    images: str | None = None  # name of the one array of images, where it is named otherwise
    labels: str | None = None  # name of the one array of labels, where it is named otherwise
    names: Annotated[tuple[str, ...], Field(strict=False)] = ()  # of the classes, from label 0 on; the numbers if none

    def photos(self, paths: Sequence[Path]) -> Iterator[Photo]:
        """Yield every image as PNG, pair by pair, with where it stands as its id: `mnist.npz/x_train/17`.

        Args:
            paths: the located files; those named `.gz` are unpacked.

        Raises:
            DataError: an array is not whole, of another type or shape, without its pair, or larger than 2 GiB.
        """
        for pair in self._pairs(paths):
            labels = _labels(pair.labels)  # (n,)
            images = _images(pair.images)  # (n, height, width) or (n, height, width, 3)
            if len(images) != len(labels):
                raise DataError(
                    f"{pair.images.where}: {len(images)} images, but {len(labels)} labels in {pair.labels.where}."
                )
            for position, (pixels, label) in enumerate(zip(images, labels.tolist(), strict=True)):
                name = self._name(label, f"{pair.labels.where}, position {position}")
                yield Photo(f"{pair.images.id}/{position}", _as_png(pixels), name, pair.part)

    def class_names(self, paths: Sequence[Path]) -> list[str]:
        """Return the names that are set, or the labels that there are, in the order of the numbers."""
        if self.names:
            return list(self.names)
        found = {label for pair in self._pairs(paths) for label in _labels(pair.labels).tolist()}
        return [str(label) for label in sorted(found)]

    def _name(self, label: int, where: str) -> str:
        if self.names and not 0 <= label < len(self.names):
            raise DataError(f"{where}: label {label}, but names has {len(self.names)}. Name every class, from 0 on.")
        return self.names[label] if self.names else str(label)

    def _pairs(self, paths: Sequence[Path]) -> list[_Pair]:
        """Return the pairs of arrays, in the order of their images."""
        arrays = [array for path in paths for array in _arrays_in(path, Path(commonpath([at.parent for at in paths])))]
        sides: dict[str, dict[tuple[str, ...], _Array]] = {"images": {}, "labels": {}}
        for array in arrays:
            side, key = self._role(array)
            if side and (other := sides[side].setdefault(key, array)) is not array:
                raise DataError(
                    f"{array.where}: {other.where} goes by this name too. Remove one, or name a single file."
                )
        images, labels = sides["images"], sides["labels"]
        if not images or images.keys() != labels.keys():
            raise DataError(
                f"{commonpath(paths)}: no pairs of images and labels in the arrays "
                f"{', '.join(array.name for array in arrays)}. Expected such as x_train and y_train, or set the "
                "source's images and labels."
            )
        return [_Pair(images[key], labels[key], _part(key)) for key in images]

    def _role(self, array: _Array) -> tuple[str | None, tuple[str, ...]]:
        """Return whether an array holds images or labels, and what its name shares with its pair's."""
        if self.images or self.labels:
            return {self.images: "images", self.labels: "labels"}.get(array.name), ()
        words = [word for word in re.split(r"[-_. ]+", array.name.lower()) if word not in _NOT_IN_A_NAME]
        roles = [_ROLES[word] for word in words if word in _ROLES]
        return (roles[0] if roles else None), tuple(word for word in words if word not in _ROLES)


def _part(words: Sequence[str]) -> str | None:
    return next((_PARTS[word] for word in words if word in _PARTS), None)


def _arrays_in(path: Path, top: Path) -> Iterator[_Array]:
    """Yield the arrays of a file, which are not read yet."""
    where, id_ = str(path), path.relative_to(top).as_posix()
    if path.name.lower().endswith(".npz"):
        with told(where), zipfile.ZipFile(path) as archive:
            names = sorted(name.removesuffix(".npy") for name in archive.namelist() if name.endswith(".npy"))
        for name in names:
            array = f"{where}, array {name!r}"
            yield _Array(name, array, f"{id_}/{name}", partial(_read_member, path, f"{name}.npy", array))
    else:
        yield _Array(re.sub(r"\.npy$", "", path.name, flags=re.IGNORECASE), where, id_, partial(_read_file, path))


def _read_member(path: Path, name: str, where: str) -> "npt.NDArray[Any]":
    with told(where), zipfile.ZipFile(path) as archive, archive.open(name) as file:
        return _values(file, _npy_header(file), where)


def _read_file(path: Path) -> "npt.NDArray[Any]":
    name = path.name.lower()
    with told(path), gzip.open(path) if name.endswith(".gz") else path.open("rb") as file:
        return _values(file, _npy_header(file) if name.endswith(".npy") else _idx_header(file), str(path))


def _npy_header(file: _Stream) -> _Header:
    """Read the header of an .npy file; one that pickles or runs anything is never followed."""
    from numpy.lib import format as npy

    if (version := npy.read_magic(file)) != (1, 0):  # the others are for headers of megabytes
        raise ValueError(f"format version {version}")
    try:
        return _Header(*npy.read_array_header_1_0(file))
    except (SyntaxError, tokenize.TokenError, RecursionError, MemoryError):  # of the parser
        raise ValueError("its header is not a plain one") from None


def _idx_header(file: _Stream) -> _Header:
    """Read the header of an idx file: two zeros, 8 for unsigned bytes, the dimensions (yann.lecun.com/exdb/mnist)."""
    import numpy as np

    magic = file.read(4)
    if len(magic) != 4 or magic[:3] != b"\0\0\x08":
        raise ValueError(f"begins with {magic!r}, which no idx file of unsigned bytes does")
    sizes = file.read(4 * magic[3])
    if len(sizes) != 4 * magic[3]:
        raise EOFError("it ends in its header")
    return _Header(tuple(struct.unpack(f">{magic[3]}I", sizes)), False, np.dtype(np.uint8))


def _values(file: _Stream, header: _Header, where: str) -> "npt.NDArray[Any]":
    """Read what a header promises, once it is known to be neither too large nor of objects."""
    import numpy as np

    shape, in_columns, dtype = header
    if dtype.kind not in "iu" or min(shape, default=0) < 1:
        raise DataError(f"{where}: holds {dtype} of shape {shape}. Expected integers, and no empty dimension.")
    size = math.prod(shape) * dtype.itemsize
    if size > _LARGEST:
        raise DataError(f"{where}: {size:,} bytes, more than {_LARGEST:,}. Write it as several files.")
    content = file.read(size + 1)
    if len(content) != size:
        raise EOFError(f"{len(content):,} bytes where the header says {size:,}")
    return np.frombuffer(content, dtype).reshape(shape, order="F" if in_columns else "C")


def _images(array: _Array) -> "npt.NDArray[np.uint8]":
    """Return images without an axis for a single channel."""
    images = array.read()
    if images.dtype != "uint8" or not (images.ndim == 3 or (images.ndim == 4 and images.shape[-1] in (1, 3))):
        raise DataError(
            f"{array.where}: holds {images.dtype} of shape {images.shape}. Expected uint8 from 0 to 255 of shape "
            "(images, height, width), or with 1 or 3 channels behind."
        )
    return images[..., 0] if images.ndim == 4 and images.shape[-1] == 1 else images


def _labels(array: _Array) -> "npt.NDArray[np.integer[Any]]":
    labels = array.read()
    if labels.ndim != 1 and labels.shape[1:] != (1,):
        raise DataError(f"{array.where}: labels of shape {labels.shape}. Expected a number for each image.")
    return labels.ravel()


def _as_png(pixels: "npt.NDArray[np.uint8]") -> bytes:
    from PIL import Image

    encoded = io.BytesIO()
    Image.fromarray(pixels).save(encoded, "PNG")
    return encoded.getvalue()
