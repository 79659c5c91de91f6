"""Images in arrays: idx files and NumPy's."""

import gzip
import io
import shutil
import struct
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from gristmill.errors import DataError
from gristmill.sources.images.arrays import ImageArrays
from gristmill.sources.photo import Photo

GREY = np.random.default_rng(0).integers(0, 256, (5, 4, 3), np.uint8)
COLOUR = np.random.default_rng(1).integers(0, 256, (5, 4, 3, 3), np.uint8)
LABELS = np.array([1, 0, 10, 2, 1], np.uint8)


def idx(array: npt.NDArray[np.uint8]) -> bytes:
    """Return an array as an idx file."""
    return bytes([0, 0, 8, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape) + array.tobytes()


def photos(folder: Path, **settings: Any) -> list[Photo]:
    return list(ImageArrays(kind="arrays", path="x", **settings).photos(sorted(folder.iterdir())))


def pixels(photo: Photo) -> npt.NDArray[np.uint8]:
    with Image.open(io.BytesIO(photo.encoded), formats=["PNG"]) as image:
        return np.asarray(image)


def refusal(folder: Path, **settings: Any) -> str:
    with pytest.raises(DataError) as caught:
        photos(folder, **settings)
    message = str(caught.value)
    assert len(message.splitlines()) == 1
    return message.replace(f"{folder}/", "")


def npz(folder: Path, **arrays: npt.NDArray[Any]) -> Path:
    np.savez_compressed(folder / "small.npz", **arrays)
    return folder


@pytest.mark.parametrize("suffix", ["", ".gz"])
@pytest.mark.parametrize("form", ["{}-{}-idx{}-ubyte", "{}-{}.idx{}-ubyte", "emnist-letters-{}-{}-idx{}-ubyte"])
def test_idx_files_are_paired_by_name(tmp_path: Path, suffix: str, form: str) -> None:
    for part, images, labels in (("train", GREY, LABELS), ("t10k", GREY[:2], LABELS[:2])):
        for name, dimensions, array in (("images", 3, images), ("labels", 1, labels)):
            content = gzip.compress(idx(array)) if suffix else idx(array)
            (tmp_path / f"{form.format(part, name, dimensions)}{suffix}").write_bytes(content)
    found = photos(tmp_path)
    assert [photo.part for photo in found] == ["test"] * 2 + ["train"] * 5
    assert [photo.label for photo in found] == ["1", "0", "1", "0", "10", "2", "1"]
    assert found[-1].id == f"{form.format('train', 'images', 3)}{suffix}/4"
    np.testing.assert_array_equal([pixels(photo) for photo in found[2:]], GREY)


def test_npz_as_keras_keeps_it(tmp_path: Path) -> None:
    npz(tmp_path, x_train=GREY, y_train=LABELS, x_test=COLOUR, y_test=LABELS[:, None].astype(np.int64), mean=GREY[0])
    found = photos(tmp_path)
    assert [(photo.id, photo.label, photo.part) for photo in found[4:6]] == [
        ("small.npz/x_test/4", "1", "test"),
        ("small.npz/x_train/0", "1", "train"),
    ]
    np.testing.assert_array_equal([pixels(photo) for photo in found[:5]], COLOUR)
    np.testing.assert_array_equal([pixels(photo) for photo in found[5:]], GREY)


@pytest.mark.parametrize("form", ["zip", "gztar"])
def test_arrays_may_lie_in_an_archive(tmp_path: Path, form: str) -> None:
    (tmp_path / "digits").mkdir()
    npz(tmp_path / "digits", x_train=GREY, y_train=LABELS)
    (tmp_path / "digits/t10k-images-idx3-ubyte.gz").write_bytes(gzip.compress(idx(GREY[:2])))
    (tmp_path / "digits/t10k-labels-idx1-ubyte").write_bytes(idx(LABELS[:2]))
    wanted = photos(tmp_path / "digits")
    (tmp_path / "packed").mkdir()
    shutil.make_archive(str(tmp_path / "packed/digits"), form, tmp_path / "digits")
    assert len(wanted) == 7
    assert photos(tmp_path / "packed") == wanted
    paths = list((tmp_path / "packed").iterdir())
    assert ImageArrays(kind="arrays", path="x").class_names(paths) == ["0", "1", "2", "10"]


def test_an_archive_without_an_array_is_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "digits.zip", "w") as archive:
        archive.writestr("notes.txt", "none")
    assert refusal(tmp_path) == (
        f"{tmp_path}/digits.zip: no array in it. Expected files .npz, .npy, ubyte, ubyte.gz, .csv."
    ).replace(f"{tmp_path}/", "")


def test_an_image_is_identified_by_shape_and_pixels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = [photo.sha256 for photo in photos(npz(tmp_path, images=GREY, labels=LABELS))]
    monkeypatch.setattr(Image.Image, "save", lambda image, file, _: file.write(b"as another version encodes it"))

    again, reshaped = (
        [photo.sha256 for photo in photos(npz(tmp_path, images=images, labels=LABELS))]
        for images in (np.asfortranarray(GREY), GREY.reshape(5, 3, 4))
    )

    assert again == before
    assert len({*before, *reshaped}) == 10


def test_images_and_labels_of_no_part(tmp_path: Path) -> None:
    found = photos(npz(tmp_path, images=GREY[..., None], labels=LABELS))
    assert {photo.part for photo in found} == {None}
    np.testing.assert_array_equal([pixels(photo) for photo in found], GREY)


def test_npy_files_whatever_the_order_of_their_axes(tmp_path: Path) -> None:
    np.save(tmp_path / "val_images.npy", np.asfortranarray(COLOUR))
    np.save(tmp_path / "val_labels.npy", LABELS.astype(">i4"))
    found = photos(tmp_path)
    assert [(photo.label, photo.part) for photo in found[2:4]] == [("10", "validation"), ("2", "validation")]
    np.testing.assert_array_equal([pixels(photo) for photo in found], COLOUR)


def test_arrays_of_other_names_are_set(tmp_path: Path) -> None:
    npz(tmp_path, arr_0=GREY, arr_1=LABELS, x_train=GREY)
    assert [photo.label for photo in photos(tmp_path, images="arr_0", labels="arr_1")] == ["1", "0", "10", "2", "1"]
    assert "no pairs of images and labels in the arrays arr_0, arr_1, x_train." in refusal(tmp_path)
    assert "no pairs" in refusal(tmp_path, images="arr_0", labels="arr_2")
    assert "no pairs" in refusal(tmp_path, images="arr_0")


def test_classes_are_in_the_order_of_the_numbers(tmp_path: Path) -> None:
    paths = list(npz(tmp_path, x_train=GREY, y_train=LABELS).iterdir())
    names = tuple("abcdefghijk")
    assert ImageArrays(kind="arrays", path="x").class_names(paths) == ["0", "1", "2", "10"]
    assert ImageArrays(kind="arrays", path="x", names=names).class_names(paths) == list(names)
    assert [photo.label for photo in photos(tmp_path, names=names)] == ["b", "a", "k", "c", "b"]
    message = refusal(tmp_path, names=names[:10])
    assert message == "small.npz, array 'y_train', position 2: label 10, but names has 10. Name every class, from 0 on."


@pytest.mark.parametrize(
    "images",
    [
        GREY.astype(np.float32),
        GREY.astype(np.uint16),
        GREY.astype(np.int8),
        GREY > 9,
        GREY[0],
        COLOUR[..., :2],
        COLOUR[None],
        GREY[:0],
        GREY[:, :0],
        np.array(["a"]),
        np.array([{}, 1]),
    ],
    ids=lambda images: f"{images.dtype}{images.shape}",
)
def test_other_images_are_refused(tmp_path: Path, images: npt.NDArray[Any]) -> None:
    message = refusal(npz(tmp_path, images=images, labels=LABELS))
    assert message.startswith(f"small.npz, array 'images': holds {images.dtype} of shape {images.shape}. Expected")


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (LABELS[:4], "small.npz, array 'images': 5 images, but 4 labels in"),
        (np.eye(5, dtype=np.uint8), "small.npz, array 'labels': labels of shape (5, 5). Expected a number"),
        (LABELS.astype(np.float32), "small.npz, array 'labels': holds float32 of shape (5,). Expected integers"),
        (np.uint8(3), "small.npz, array 'labels': holds uint8 of shape (). Expected integers"),
    ],
)
def test_other_labels_are_refused(tmp_path: Path, labels: npt.NDArray[Any], message: str) -> None:
    assert refusal(npz(tmp_path, images=GREY, labels=labels)).startswith(message)


def test_the_same_array_packed_and_unpacked_is_refused(tmp_path: Path) -> None:
    (tmp_path / "train-images-idx3-ubyte").write_bytes(idx(GREY))
    (tmp_path / "train-images-idx3-ubyte.gz").write_bytes(gzip.compress(idx(GREY)))
    (tmp_path / "train-labels-idx1-ubyte").write_bytes(idx(LABELS))
    message = refusal(tmp_path)
    assert message.startswith("train-images-idx3-ubyte.gz: train-images-idx3-ubyte has this name too.")


def npy(shape: str, descr: str = "'|u1'", version: bytes = b"\1\0") -> bytes:
    """Return the header of an .npy file that says anything."""
    header = f"{{'descr': {descr}, 'fortran_order': False, 'shape': {shape}, }}".encode()
    return b"\x93NUMPY" + version + struct.pack("<H", len(header)) + header


@pytest.mark.fault(28)
@pytest.mark.fault(27)
@pytest.mark.parametrize(
    "content",
    [
        npy("(100000, 1000, 1000)"),
        npy("(5, -4, 3)"),
        npy("(5, 4, 3)", "'|O'"),
        npy("(5, 4, 3)", version=b"\2\0") + bytes(99),
        npy("(5, 4, 3)") + bytes(59),
        npy("(5, 4, 3)") + bytes(61),
        npy("(5, 4, __import__('os').getcwd())"),
        npy("-" * 9000 + "1"),
        npy("((((("),
        b"",
        b"\x80\4cos\nsystem\n",
    ],
    ids=["a bomb", "negative", "objects", "version 2", "short", "long", "code", "deep", "open", "empty", "a pickle"],
)
@pytest.mark.filterwarnings("ignore:Reading `.npy`")
@pytest.mark.parametrize("packed", [True, False])
def test_a_hostile_or_damaged_npy_is_refused(tmp_path: Path, content: bytes, packed: bool) -> None:
    if packed:
        with zipfile.ZipFile(tmp_path / "a.npz", "w") as archive:
            archive.writestr("labels.npy", npy("(5,)") + LABELS.tobytes())
            archive.writestr("images.npy", content)
        assert refusal(tmp_path).startswith("a.npz, array 'images': ")
    else:
        np.save(tmp_path / "labels.npy", LABELS)
        (tmp_path / "images.npy").write_bytes(content)
        assert refusal(tmp_path).startswith("images.npy: ")


@pytest.mark.fault(27)
@pytest.mark.parametrize(
    "content",
    [
        b"",
        idx(GREY)[:3],
        idx(GREY)[:9],
        idx(GREY)[:-1],
        idx(GREY) + b"x",
        b"\0\0\x0d\3" + idx(GREY)[4:],
        b"\0\0\x08\3" + b"\xff" * 12,
        b"\0\0\x08\xff" + b"\0\0\0\1" * 255 + b"x",
        b"\xff\xd8\xff\xe0",
    ],
    ids=["empty", "no header", "half a header", "short", "long", "floats", "a bomb", "255 axes", "a photo"],
)
@pytest.mark.parametrize("suffix", ["", ".gz"])
def test_a_hostile_or_damaged_idx_is_refused(tmp_path: Path, content: bytes, suffix: str) -> None:
    (tmp_path / "labels-idx1-ubyte").write_bytes(idx(LABELS))
    (tmp_path / f"images-idx3-ubyte{suffix}").write_bytes(gzip.compress(content) if suffix else content)
    assert refusal(tmp_path).startswith(f"images-idx3-ubyte{suffix}: ")


@pytest.mark.filterwarnings("ignore:Reading `.npy`")
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_damage_anywhere_in_an_npz_is_told(tmp_path: Path, data: st.DataObject) -> None:
    raw = bytearray((npz(tmp_path, images=GREY, labels=LABELS) / "small.npz").read_bytes())
    for position in data.draw(st.lists(st.integers(0, len(raw) - 1), min_size=1, max_size=3)):
        raw[position] ^= data.draw(st.integers(1, 255))
    (tmp_path / "small.npz").write_bytes(raw)
    try:
        found = photos(tmp_path)
    except DataError:
        return
    np.testing.assert_array_equal([pixels(photo) for photo in found], GREY)
