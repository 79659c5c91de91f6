"""Transforms against images that were made by hand, by numpy or by scipy, one after the other."""

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import tensorflow as tf
from scipy import ndimage

from gristmill.domains.vision.augment import rotation, scale, shear, shift, transform

Image = npt.NDArray[Any]  # (height, width, channels)

RANDOM = np.random.default_rng(0)
SQUARE = RANDOM.integers(0, 256, (9, 9, 3)).astype("float32")
WIDE = RANDOM.integers(0, 256, (6, 9, 3)).astype("float32")


def one(*numbers: float) -> list[tf.Tensor]:
    """Return numbers for a batch of one image, (1,) each."""
    return [tf.constant([number], tf.float64) for number in numbers]


def drawn(image: Image, matrix: tf.Tensor, fill: str = "nearest") -> Image:
    """Return one image drawn through one matrix."""
    made: Image = transform(tf.constant(image[np.newaxis]), matrix, fill).numpy()[0]
    return made


def row(*values: float) -> Image:
    """Return an image of one row and one channel."""
    return np.array(values, "float32").reshape(1, -1, 1)


def test_a_quarter_turn_is_anticlockwise() -> None:
    np.testing.assert_allclose(drawn(SQUARE, rotation(*one(90))), np.rot90(SQUARE), atol=1e-3)
    np.testing.assert_allclose(drawn(SQUARE, rotation(*one(-90))), np.rot90(SQUARE, -1), atol=1e-3)


def test_half_a_turn_is_about_the_centre_of_an_image_that_is_not_square() -> None:
    np.testing.assert_allclose(drawn(WIDE, rotation(*one(180))), WIDE[::-1, ::-1], atol=1e-3)


def test_a_factor_of_minus_one_mirrors_to_the_bit() -> None:
    np.testing.assert_array_equal(drawn(WIDE, scale(*one(-1, 1))), WIDE[:, ::-1])
    np.testing.assert_array_equal(drawn(WIDE, scale(*one(1, -1))), WIDE[::-1])


@pytest.mark.parametrize(
    ("fill", "padding"), [("nearest", "edge"), ("constant", "constant"), ("reflect", "symmetric"), ("wrap", "wrap")]
)
@pytest.mark.parametrize(("x", "y"), [(2, 0), (0, -3), (-4, 1)])
def test_a_shift_by_whole_pixels_takes_in_what_pads_the_edge(x: int, y: int, fill: str, padding: Any) -> None:
    beyond = np.pad(WIDE, ((5, 5), (5, 5), (0, 0)), padding)

    made = drawn(WIDE, shift(*one(x, y)), fill)

    np.testing.assert_array_equal(made, beyond[5 + y : 11 + y, 5 + x : 14 + x])


def test_a_zoom_is_about_the_centre_and_interpolates() -> None:
    image = row(0, 10, 20, 30, 40)

    assert drawn(image, scale(*one(0.5, 1))).ravel() == pytest.approx([10, 15, 20, 25, 30])
    assert drawn(image, scale(*one(2, 1))).ravel() == pytest.approx([0, 0, 20, 40, 40])
    assert drawn(image, scale(*one(2, 1)), "constant").ravel() == pytest.approx([0, 0, 20, 40, 0])
    assert drawn(image.reshape(5, 1, 1), scale(*one(1, 0.5))).ravel() == pytest.approx([10, 15, 20, 25, 30])


def test_a_shear_leans_columns_and_keeps_their_length() -> None:
    x = np.tile(np.arange(9, dtype="float32"), (3, 1))[..., np.newaxis]
    y = np.repeat(np.arange(5, dtype="float32"), 2).reshape(5, 2, 1)

    leant = drawn(x, shear(*one(30)))  # sin 30° = 0.5: the row above the centre takes from half a pixel to the right
    short = drawn(y, shear(*one(60)))  # cos 60° = 0.5

    np.testing.assert_allclose(leant[:, 1:-1, 0], [np.arange(1, 8) + 0.5, np.arange(1, 8), np.arange(1, 8) - 0.5])
    assert short[:, 0, 0] == pytest.approx([1, 1.5, 2, 2.5, 3])


def test_a_composed_matrix_does_what_its_parts_do_one_by_one() -> None:
    y, x = np.mgrid[:60, :80]
    image = (127 + 60 * np.sin(x / 9) + 60 * np.cos(y / 7 + x / 15))[..., np.newaxis].astype("float32")  # smooth
    parts = [rotation(*one(25)), shift(*one(6, -4)), shear(*one(10)), scale(*one(-1.15, 0.9))]

    made = drawn(image, parts[0] @ parts[1] @ parts[2] @ parts[3])

    expected = image[..., 0].astype("float64")
    for part in parts:
        expected = by_scipy(expected, part.numpy()[0])
    inner = (slice(20, 40), slice(25, 55))  # what no part took from beyond the edge
    assert np.abs(made[(*inner, 0)] - expected[inner]).max() < 0.5
    assert np.abs(made[(*inner, 0)] - image[(*inner, 0)]).mean() > 20


def by_scipy(image: Image, matrix: Image) -> Image:
    """Return a grey image drawn through a matrix (3, 3) by scipy, which counts rows first."""
    linear, offset = matrix[1::-1, 1::-1], matrix[1::-1, 2]
    centre = (np.array(image.shape) - 1) / 2
    made: Image = ndimage.affine_transform(image, linear, centre + offset - linear @ centre, order=3, mode="nearest")
    return made


def test_each_image_has_its_own_matrix() -> None:
    turns = transform(tf.stack([SQUARE] * 3), rotation(tf.constant([0.0, 90.0, 180.0], tf.float64)), "nearest").numpy()

    np.testing.assert_allclose(turns, [np.rot90(SQUARE, turn) for turn in range(3)], atol=1e-3)
