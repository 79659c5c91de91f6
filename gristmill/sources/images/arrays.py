"""Images in arrays: idx files such as those of MNIST, NumPy's .npz and .npy, and tables of pixels."""

import csv
import hashlib
import io
import math
import re
import struct
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from itertools import pairwise
from os.path import commonpath
from pathlib import Path
from typing import IO, TYPE_CHECKING, Annotated, Any, ClassVar, Literal, NamedTuple

from pydantic import Field

from gristmill.errors import DataError, short_repr
from gristmill.settings.base import Files
from gristmill.sources import archives
from gristmill.sources.archives import readable
from gristmill.sources.file_content import open_unpacked
from gristmill.sources.photo import Photo
from gristmill.sources.rows import check_columns
from gristmill.sources.set_names import PARTS
from gristmill.util import npy_header

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

MAX_ARRAY_BYTES = 2 << 30
_ROLES = {"images": "images", "image": "images", "x": "images", "labels": "labels", "label": "labels", "y": "labels"}
_PARTS = PARTS | {"t10k": "test"}
_IGNORED_WORDS = {"idx1", "idx3", "ubyte", "gz", "npy", "csv"}
_SUFFIXES = (".npz", ".npy", "ubyte", "ubyte.gz", ".csv")
_LABEL = "label"  # column of a table

Open = Callable[[], IO[bytes]]


class _Array(NamedTuple):
    name: str  # in its file, or of its file
    where: str  # name in messages
    id: str  # path below the common folder, and name in the file
    read: Callable[[], "npt.NDArray[Any]"]
    role: Literal["images", "labels"] | None = None  # if it is known without the name


class ImageArrays(Files):
    """Images of one size and their labels, in pairs of arrays that are found by their names.

    The names of a pair differ in `images` and `labels`, or `x` and `y`, and may contain its part, `train`,
    `validation`, `test` or `t10k`: `x_train` and `y_train`, or `t10k-images-idx3-ubyte.gz` and
    `t10k-labels-idx1-ubyte.gz`. A table `mnist_train.csv` with the column `label` and one column per pixel forms a pair
    by itself. All files may be in an archive.
    """

    suffixes: ClassVar[tuple[str, ...]] = (*_SUFFIXES, *archives.SUFFIXES)

    kind: Literal["arrays"]
    images: str | None = None  # name of the only array of images, if it is named differently
    labels: str | None = None  # name of the only array of labels, if it is named differently
    names: Annotated[tuple[str, ...], Field(strict=False)] = ()  # class names, from label 0 on; default: the labels

    def photos(self, paths: Sequence[Path]) -> Iterator[Photo]:
        """Yield every image as PNG, pair by pair; the id is file, array and position: `mnist.npz/x_train/17`.

        Raises:
            DataError: an array is damaged, of another type or shape, without its pair, or larger than 2 GiB.
        """
        from PIL import Image

        with _open_files(paths) as files:
            for array, array_of_labels, part in self._pairs(files):
                labels = _read_labels(array_of_labels)  # (n,)
                images = _read_images(array)  # (n, height, width) or (n, height, width, 3)
                if len(images) != len(labels):
                    raise DataError(
                        f"{array.where}: {len(images)} images, but {len(labels)} labels in {array_of_labels.where}."
                    )
                for position, (image, label) in enumerate(zip(images, labels.tolist(), strict=True)):
                    if self.names and not 0 <= label < len(self.names):
                        raise DataError(
                            f"{array_of_labels.where}, position {position}: label {label}, but names has "
                            f"{len(self.names)}. Name every class, from 0 on."
                        )
                    name = self.names[label] if self.names else str(label)
                    sha256 = hashlib.sha256(f"{image.shape} ".encode() + image.tobytes()).hexdigest()
                    encoded = io.BytesIO()
                    Image.fromarray(image).save(encoded, "PNG")
                    yield Photo(f"{array.id}/{position}", encoded.getvalue(), name, part, sha256=sha256)

    def class_names(self, paths: Sequence[Path]) -> list[str]:
        """Return the names that are set, or the labels found, in the order of the numbers."""
        if self.names:
            return list(self.names)
        with _open_files(paths) as files:
            labels = {label for _, array, _ in self._pairs(files) for label in _read_labels(array).tolist()}
        return [str(label) for label in sorted(labels)]

    def _pairs(self, files: Mapping[Path, Open]) -> list[tuple[_Array, _Array, str | None]]:
        """Return arrays of images, of their labels, and their part, in the order of the images."""
        top = Path(commonpath([path.parent for path in files]))
        arrays = [array for path, file in files.items() for array in _arrays_in(path, file, top)]
        sides: dict[str, dict[tuple[str, ...], _Array]] = {"images": {}, "labels": {}}
        for array in arrays:
            # The role of an array, and the words that its name has in common with its pair's
            side = {self.images: "images", self.labels: "labels"}.get(array.name)
            key: tuple[str, ...] = ()
            if not self.images and not self.labels:
                words = [word for word in re.split(r"[-_. ]+", array.name.lower()) if word not in _IGNORED_WORDS]
                roles = [_ROLES[word] for word in words if word in _ROLES]
                side = array.role or next(iter(roles), None)
                key = tuple(word for word in words if word not in _ROLES)
            if side and (other := sides[side].setdefault(key, array)) is not array:
                raise DataError(f"{array.where}: {other.where} has this name too. Remove one, or name a single file.")
        images, labels = sides["images"], sides["labels"]
        if not images or images.keys() != labels.keys():
            raise DataError(
                f"{commonpath(files)}: no pairs of images and labels in the arrays "
                f"{', '.join(array.name for array in arrays)}. Expected names such as x_train and y_train, or set the "
                "source's images and labels."
            )
        parts = {key: next((_PARTS[word] for word in key if word in _PARTS), None) for key in images}
        return [(images[key], labels[key], parts[key]) for key in images]


@contextmanager
def _open_files(paths: Sequence[Path]) -> Iterator[dict[Path, Open]]:
    """Yield the files, including those in archives, by path and sorted; each value opens one within the block."""
    packed = [path for path in paths if path.name.lower().endswith(archives.SUFFIXES)]
    with archives.open_files(packed, _SUFFIXES) as members:
        files: dict[Path, Open] = {path: partial(_open_on_disk, path) for path in paths if path not in packed}
        files |= {path: partial(_open_member, read) for path, read in members.items()}
        if not files:
            raise DataError(f"{commonpath(paths)}: no array in it. Expected files {', '.join(_SUFFIXES)}.")
        yield dict(sorted(files.items()))


def _open_on_disk(path: Path) -> IO[bytes]:
    return path.open("rb")


def _open_member(read: archives.Read) -> IO[bytes]:
    return io.BytesIO(read())


def _arrays_in(path: Path, file: Open, top: Path) -> Iterator[_Array]:
    """Yield the arrays of a file without reading them."""
    where, id_, name = str(path), path.relative_to(top).as_posix(), path.name.lower()
    if name.endswith(".npz"):
        with readable(where), file() as opened, archives.open_zip(where, opened) as archive:
            inside = sorted(name.removesuffix(".npy") for name in archive.namelist() if name.endswith(".npy"))
        for name in inside:
            array = f"{where}, array {name!r}"
            yield _Array(name, array, f"{id_}/{name}", partial(_read_member, file, f"{name}.npy", array))
    elif name.endswith(".csv"):
        yield _Array(path.name, where, id_, partial(_pixels_in, file, where), "images")
        yield _Array(path.name, where, id_, partial(_labels_in, file, where), "labels")
    else:
        yield _Array(re.sub(r"\.npy$", "", path.name, flags=re.IGNORECASE), where, id_, partial(_read_file, path, file))


def _read_member(file: Open, name: str, where: str) -> "npt.NDArray[Any]":
    with readable(where), file() as opened, zipfile.ZipFile(opened) as archive, archive.open(name) as member:
        return _read_values(member, npy_header.read_npy_header(member), where)


def _read_file(path: Path, file: Open) -> "npt.NDArray[Any]":
    read_header = npy_header.read_npy_header if path.name.lower().endswith(".npy") else _read_idx_header
    with readable(path), open_unpacked(path, file()) as opened:
        return _read_values(opened, read_header(opened), str(path))


def _read_idx_header(file: IO[bytes]) -> npy_header.NpyHeader:
    """Read the header of an idx file: two zeros, 8 for unsigned bytes, the dimensions (yann.lecun.com/exdb/mnist)."""
    import numpy as np

    magic = file.read(4)
    if len(magic) != 4 or magic[:3] != b"\0\0\x08":
        raise ValueError(f"begins with {magic.decode('latin-1')!r}, unlike an idx file of unsigned bytes")
    sizes = file.read(4 * magic[3])
    if len(sizes) != 4 * magic[3]:
        raise EOFError("it ends in its header")
    return npy_header.NpyHeader(tuple(struct.unpack(f">{magic[3]}I", sizes)), False, np.dtype(np.uint8))


def _read_values(file: IO[bytes], header: npy_header.NpyHeader, where: str) -> "npt.NDArray[Any]":
    """Read the array that a header declares, unless it is too large or not of integers."""
    import numpy as np

    shape, fortran_order, dtype = header
    if dtype.kind not in "iu" or min(shape, default=0) < 1:
        raise DataError(f"{where}: holds {dtype} of shape {shape}. Expected integers, and no empty dimension.")
    size = math.prod(shape) * dtype.itemsize
    if size > MAX_ARRAY_BYTES:
        raise DataError(f"{where}: {size:,} bytes, more than {MAX_ARRAY_BYTES:,}. Write it as several files.")
    content = file.read(size + 1)
    if len(content) != size:
        raise EOFError(f"{len(content):,} bytes where the header says {size:,}")
    return np.frombuffer(content, dtype).reshape(shape, order="F" if fortran_order else "C")


def _read_images(array: _Array) -> "npt.NDArray[np.uint8]":
    """Return images, (n, height, width) or (n, height, width, 3)."""
    images = array.read()
    if images.dtype != "uint8" or not (images.ndim == 3 or (images.ndim == 4 and images.shape[-1] in (1, 3))):
        raise DataError(
            f"{array.where}: holds {images.dtype} of shape {images.shape}. Expected uint8 from 0 to 255 of shape "
            "(images, height, width), or with 1 or 3 channels at the end."
        )
    return images[..., 0] if images.ndim == 4 and images.shape[-1] == 1 else images


def _read_labels(array: _Array) -> "npt.NDArray[np.integer[Any]]":
    labels = array.read()
    if labels.ndim != 1 and labels.shape[1:] != (1,):
        raise DataError(f"{array.where}: labels of shape {labels.shape}. Expected a number for each image.")
    return labels.ravel()


def _pixels_in(file: Open, where: str) -> "npt.NDArray[np.uint8]":
    """Return the images of a table, (images, side, side) or, in colour, (images, side, side, 3)."""
    import numpy as np

    columns, shape = _check_pixel_columns(file, where)
    return np.stack(_read_table(file, where, columns, "uint8"), axis=1).reshape(-1, *shape)


def _labels_in(file: Open, where: str) -> "npt.NDArray[np.int64]":
    """Return the labels of a table, (images,)."""
    _check_pixel_columns(file, where)
    return _read_table(file, where, [_LABEL], "int64")[0]


def _check_pixel_columns(file: Open, where: str) -> tuple[list[str], tuple[int, ...]]:
    """Return all columns of a table but the label, and the shape of an image.

    Raises:
        DataError: columns are missing, are not numbered row by row as in `pixel1` or `1x1`, or make no square image.
    """
    with readable(where), file() as opened:
        header = next(csv.reader([opened.readline(1 << 20).decode("utf-8-sig")]), [])
    if header.count(_LABEL) != 1:
        check_columns(where, [_LABEL], header)
    columns = [name for name in header if name != _LABEL]
    numbers = [[int(digits) for digits in re.findall(r"\d+", name)] for name in columns]
    for (name, at), (next_name, next_at) in pairwise([(_LABEL, []), *zip(columns, numbers, strict=True)]):
        if not at < next_at:
            raise DataError(
                f"{where}: the column {short_repr(next_name)} comes after {short_repr(name)}. Expected the label "
                "and one column a pixel, numbered row by row, such as pixel1, pixel2, …: remove or order the others."
            )
    for channels in ([], [3]):
        side = math.isqrt(len(columns) // math.prod(channels))
        if columns and side * side * math.prod(channels) == len(columns):
            return columns, (side, side, *channels)
    raise DataError(
        f"{where}: {len(columns)} columns besides the label do not make a square image in grey or colour. "
        "Write the images as an .npz file."
    )


def _read_table(file: Open, where: str, columns: Sequence[str], dtype: str) -> "list[npt.NDArray[Any]]":
    import pyarrow as pa
    from pyarrow import csv as tables

    types = dict.fromkeys(columns, pa.type_for_alias(dtype))
    # Arrow's messages name the row only with one thread. No value may be missing, so there are no null values.
    reading = tables.ReadOptions(use_threads=False)
    converting = tables.ConvertOptions(column_types=types, include_columns=list(columns), null_values=[])
    with readable(where), file() as opened:
        try:
            table = tables.read_csv(opened, read_options=reading, convert_options=converting)
        except pa.ArrowInvalid as error:
            reason = " ".join(str(error).split())[:200]  # it may quote a whole row
            raise DataError(f"{where}: {reason}. Expected whole numbers, pixels from 0 to 255.") from None
    if not len(table):
        raise DataError(f"{where}: no rows below the header. Expected one for each image.")
    return [table.column(name).to_numpy() for name in columns]
