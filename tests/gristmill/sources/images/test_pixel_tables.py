"""Tables of images, as Kaggle has them: a label and a column a pixel."""

import io
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from gristmill.errors import DataError
from gristmill.sources.images.arrays import ImageArrays
from gristmill.sources.photo import Photo

GREY = np.random.default_rng(0).integers(0, 256, (5, 3, 3), np.uint8)
LABELS = [1, 0, 10, 2, 1]


def table(images: npt.NDArray[Any], labels: list[int], names: str = "pixel{}") -> str:
    """Return images and labels as Kaggle writes them."""
    flat = images.reshape(len(images), -1)
    lines = [["label", *(names.format(at + 1) for at in range(flat.shape[1]))]]
    lines += [[str(label), *map(str, row)] for label, row in zip(labels, flat.tolist(), strict=True)]
    return "".join(f"{','.join(line)}\n" for line in lines)


def photos(folder: Path, **settings: Any) -> list[Photo]:
    return list(ImageArrays(kind="arrays", path="x", **settings).photos(sorted(folder.iterdir())))


def pixels(photo: Photo) -> npt.NDArray[np.uint8]:
    with Image.open(io.BytesIO(photo.encoded), formats=["PNG"]) as image:
        return np.asarray(image)


def test_a_table_for_each_part_is_read_as_kaggle_has_it(tmp_path: Path) -> None:
    (tmp_path / "sign_mnist_train.csv").write_text(table(GREY, LABELS))
    (tmp_path / "sign_mnist_test.csv").write_text(table(GREY[:2], LABELS[:2]))

    found = photos(tmp_path)

    assert [(photo.id, photo.label, photo.part) for photo in found[1:4]] == [
        ("sign_mnist_test.csv/1", "0", "test"),
        ("sign_mnist_train.csv/0", "1", "train"),
        ("sign_mnist_train.csv/1", "0", "train"),
    ]
    np.testing.assert_array_equal([pixels(photo) for photo in found[2:]], GREY)
    classes = ImageArrays(kind="arrays", path="x").class_names(sorted(tmp_path.iterdir()))
    assert classes == ["0", "1", "2", "10"]


def test_colours_lie_behind_one_another_and_the_label_may_stand_last(tmp_path: Path) -> None:
    colour = np.random.default_rng(1).integers(0, 256, (2, 4, 4, 3), np.uint8)
    rows = [line.split(",", 1)[::-1] for line in table(colour, [3, 4]).splitlines()]
    (tmp_path / "images.csv").write_text("\ufeff" + "\r\n".join(map(",".join, rows)), encoding="utf-8")

    found = photos(tmp_path, names=["a", "b", "c", "d", "e"])

    assert [(photo.label, photo.part) for photo in found] == [("d", None), ("e", None)]
    np.testing.assert_array_equal([pixels(photo) for photo in found], colour)


ORDER = (
    "Expected the label and one column a pixel, numbered row by row, such as pixel1, pixel2, …: remove or order the "
    "others."
)
SQUARE = "columns besides the label do not make a square image in grey or colour. Write the images as an .npz file."
WHOLE = "Expected whole numbers, pixels from 0 to 255."


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("image,label\na.jpg,1\n", f"the column 'image' comes after 'label'. {ORDER}"),
        ("label,1x1,1x2,2x2,2x1\n1,2,3,4,5\n", f"the column '2x1' comes after '2x2'. {ORDER}"),
        ("p1,p2,p3,p4\n1,2,3,4\n", "no column 'label'. Columns: 'p1', 'p2', 'p3', 'p4'."),
        ("label,p1,p2\n1,2,3\n", f"2 {SQUARE}"),
        ("label\n1\n", f"0 {SQUARE}"),
        ("", "no column 'label'. Columns: ."),
        ("label,p1\n", "no rows below the header. Expected one for each image."),
        (
            "label,p1\n1,255\n2,256\n",
            f"In CSV column #1: Row #3: CSV conversion error to uint8: invalid value '256'. {WHOLE}",
        ),
        ("label,p1\n1,\n", f"In CSV column #1: Row #2: CSV conversion error to uint8: invalid value ''. {WHOLE}"),
        ("label,p1\na,1\n", f"In CSV column #0: Row #2: CSV conversion error to int64: invalid value 'a'. {WHOLE}"),
        ("label,p1\n1,2,3\n", f"CSV parse error: Row #2: Expected 2 columns, got 3: 1,2,3. {WHOLE}"),
    ],
)
def test_another_table_is_refused(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "train.csv").write_text(text)
    with pytest.raises(DataError) as caught:
        photos(tmp_path)
    assert str(caught.value) == f"{tmp_path}/train.csv: {message}"
