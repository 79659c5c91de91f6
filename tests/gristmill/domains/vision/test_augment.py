"""Augmentation: random changes, read back from pixels that encode their position, and transforms by known matrices."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from gristmill.domains.vision.augment import (
    augment_images,
    changes_images,
    compose_transform,
    rotation,
    scale,
    shear,
    shift,
    transform,
)
from gristmill.domains.vision.settings import Augment

Array = npt.NDArray[Any]

COURSE = Augment(rotation=40, shift=0.2, shear=0.2, zoom=0.2, horizontal_flip=True)
EVERYTHING = Augment(
    rotation=40,
    shift=0.2,
    shear=20,
    zoom=0.2,
    horizontal_flip=True,
    vertical_flip=True,
    brightness=0.2,
    contrast=0.3,
    fill="reflect",
)
HEIGHT, WIDTH = 81, 121
PHOTOS = np.random.default_rng(0).integers(0, 256, (6, 12, 15, 3), np.uint8)

shares = st.floats(0, 0.9)
augments = st.builds(
    Augment,
    rotation=st.floats(0, 180),
    shift=shares,
    shear=st.floats(0, 60),
    zoom=shares,
    horizontal_flip=st.booleans(),
    vertical_flip=st.booleans(),
    brightness=st.floats(0, 2),
    contrast=shares,
    cutout=shares,
    fill=st.sampled_from(["nearest", "constant", "reflect", "wrap"]),
)


@pytest.fixture(autouse=True)
def _no_warning_of_autograph(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """Fail where TensorFlow could not turn the code into a graph, of which it tells but once in a process."""
    yield
    assert not [record.getMessage() for record in caplog.get_records("call") if record.name == "tensorflow"]


def changed(augment: Augment, pixels: Array = PHOTOS, seed: int = 1) -> Array:
    """Return the augmented pixels."""
    made: Array = augment_images(tf.constant(pixels), augment, tf.constant([7, seed], tf.int64)).numpy()
    return made


def matrices(augment: Augment, images: int = 300) -> Array:
    """Return what was drawn, (images, 2, 3): from places to places, x and y from the centre.

    It is read from the middle of an image with two channels, x and y.
    """
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    places = np.stack([x, y], axis=-1).astype("float32")
    made = changed(augment, np.tile(places, (images, 1, 1, 1)))
    window = (slice(HEIGHT // 2 - 3, HEIGHT // 2 + 4), slice(WIDTH // 2 - 3, WIDTH // 2 + 4))
    centre = np.array([WIDTH // 2, HEIGHT // 2])
    given = np.c_[places[window].reshape(-1, 2) - centre, np.ones(49)]
    taken = made[(slice(None), *window)].reshape(images, -1, 2) - centre
    return np.stack([np.linalg.lstsq(given, each, rcond=None)[0].T for each in taken])


def assert_spread(values: Array, limit: float) -> None:
    """Assert that values reach almost to both limits, evenly, and not beyond."""
    assert limit * 0.95 < values.max() <= limit * 1.001
    assert -limit * 0.95 > values.min() >= -limit * 1.001
    assert abs(values.mean()) < limit * 0.15
    assert values.std() == pytest.approx(limit / np.sqrt(3), rel=0.1)


def test_rotations_are_even_over_degrees_either_way() -> None:
    made = matrices(Augment(rotation=40))

    angles = np.degrees(np.arctan2(made[:, 1, 0], made[:, 0, 0]))
    assert_spread(angles, 40)
    cos, sin = np.cos(np.radians(angles)), np.sin(np.radians(angles))
    zero = np.zeros(len(made))
    np.testing.assert_allclose(made, np.moveaxis([[cos, -sin, zero], [sin, cos, zero]], 2, 0), atol=1e-3)


def test_shifts_are_shares_of_width_and_of_height_drawn_apart() -> None:
    made = matrices(Augment(shift=0.2))

    assert_spread(made[:, 0, 2], 0.2 * WIDTH)
    assert_spread(made[:, 1, 2], 0.2 * HEIGHT)
    assert abs(np.corrcoef(made[:, :, 2].T)[0, 1]) < 0.2
    np.testing.assert_allclose(made[:, :, :2], np.tile(np.eye(2), (len(made), 1, 1)), atol=1e-3)


def test_shears_are_angles_of_columns() -> None:
    made = matrices(Augment(shear=20))

    angles = np.arcsin(-made[:, 0, 1])
    assert_spread(np.degrees(angles), 20)
    one, zero = np.ones(len(made)), np.zeros(len(made))
    expected = np.moveaxis([[one, -np.sin(angles), zero], [zero, np.cos(angles), zero]], 2, 0)
    np.testing.assert_allclose(made, expected, atol=1e-3)


def test_zooms_are_shares_drawn_for_each_axis() -> None:
    made = matrices(Augment(zoom=0.2))

    assert_spread(made[:, 0, 0] - 1, 0.2)
    assert_spread(made[:, 1, 1] - 1, 0.2)
    assert abs(np.corrcoef(made[:, 0, 0], made[:, 1, 1])[0, 1]) < 0.2
    np.testing.assert_allclose(made[:, [0, 1, 0, 1], [1, 0, 2, 2]], 0, atol=1e-3)


@pytest.mark.parametrize(
    ("augment", "axis"), [(Augment(horizontal_flip=True), 1), (Augment(vertical_flip=True), 0)], ids=["x", "y"]
)
def test_half_of_the_images_are_flipped_to_the_bit(augment: Augment, axis: int) -> None:
    image = PHOTOS[0]
    made = changed(augment, np.tile(image, (200, 1, 1, 1)))

    flipped = (made == np.flip(image, axis)).all(axis=(1, 2, 3))
    kept = (made == image).all(axis=(1, 2, 3))
    assert (flipped ^ kept).all()
    assert 70 < flipped.sum() < 130


def test_flips_of_both_axes_are_drawn_apart() -> None:
    made = matrices(Augment(horizontal_flip=True, vertical_flip=True), 100)

    assert {(round(x), round(y)) for x, y in made[:, [0, 1], [0, 1]]} == {(1, 1), (1, -1), (-1, 1), (-1, -1)}


def test_an_image_is_flipped_then_zoomed_sheared_shifted_and_turned() -> None:
    drawn = [0.5, -0.4, 0.3, -0.8, 0.6, -0.2, -0.1, 0.9]

    made = compose_transform(EVERYTHING, [tf.constant([each], tf.float64) for each in drawn], HEIGHT, WIDTH).numpy()[0]

    turn, lean = np.radians(20), np.radians(-16)
    rotation = np.array([[np.cos(turn), -np.sin(turn), 0], [np.sin(turn), np.cos(turn), 0], [0, 0, 1]])
    shift = np.array([[1, 0, -0.08 * WIDTH], [0, 1, 0.06 * HEIGHT], [0, 0, 1]])
    shear = np.array([[1, -np.sin(lean), 0], [0, np.cos(lean), 0], [0, 0, 1]])
    np.testing.assert_allclose(made, rotation @ shift @ shear @ np.diag([1.12, 0.96, 1]) @ np.diag([-1, 1, 1]))


def test_brightness_adds_a_share_of_the_full_range_to_a_whole_image() -> None:
    grey = np.random.default_rng(1).integers(100, 150, (300, 4, 5, 3), np.uint8)

    added = changed(Augment(brightness=0.2), grey) - grey

    assert np.ptp(added, axis=(1, 2, 3)).max() < 1e-3
    assert_spread(added[:, 0, 0, 0], 51)


def test_contrast_is_about_the_mean_of_each_image() -> None:
    grey = np.random.default_rng(1).integers(100, 150, (300, 4, 5, 3), np.uint8)
    mean = grey.mean(axis=(1, 2, 3), keepdims=True)

    made = changed(Augment(contrast=0.3), grey) - mean

    factors = (made * (grey - mean)).sum(axis=(1, 2, 3)) / ((grey - mean) ** 2).sum(axis=(1, 2, 3))
    assert_spread(factors - 1, 0.3)
    np.testing.assert_allclose(made, factors[:, None, None, None] * (grey - mean), atol=1e-3)


def test_what_is_too_bright_or_too_dark_ends_at_the_range() -> None:
    made = changed(Augment(brightness=2), np.full((50, 2, 2, 1), 128, np.uint8))

    assert (made.min(), made.max()) == (0, 255)


def test_cutout_covers_a_square_of_each_image_at_its_own_place() -> None:
    made = changed(Augment(cutout=0.5), np.zeros((300, 20, 30, 3), np.uint8))

    covered = made.any(axis=3)
    assert set(np.unique(made)) == {0, 127.5}
    sides = covered.any(axis=2).sum(axis=1), covered.any(axis=1).sum(axis=1)
    np.testing.assert_array_equal(covered.sum(axis=(1, 2)), sides[0] * sides[1])
    assert (sides[0].max(), sides[1].max()) == (10, 10)
    assert (sides[0].min(), sides[1].min()) == (5, 5)
    assert 0 < covered.mean(axis=0).min() < covered.mean(axis=0).max() < 0.25  # 1/24 in a corner, 1/6 in the middle


@pytest.mark.parametrize("augment", [Augment(), Augment(fill="wrap")])
def test_nothing_set_changes_nothing(augment: Augment) -> None:
    made = changed(augment)

    assert not changes_images(augment)
    assert made.dtype == np.float32
    np.testing.assert_array_equal(made, PHOTOS)


@pytest.mark.parametrize("name", sorted(set(Augment.model_fields) - {"fill", "average_flips"}))
def test_each_setting_alone_is_a_change(name: str) -> None:
    augment = Augment.model_validate({name: True if "flip" in name else 0.5})

    assert changes_images(augment)
    assert (changed(augment) != PHOTOS).any()


def test_the_same_seed_draws_the_same_and_another_one_draws_anew() -> None:
    np.testing.assert_array_equal(changed(EVERYTHING), changed(EVERYTHING))
    other = changed(EVERYTHING, seed=2)
    assert all((one != another).any() for one, another in zip(changed(EVERYTHING), other, strict=True))


def test_every_image_of_a_batch_is_changed_in_its_own_way() -> None:
    made = changed(COURSE, np.tile(PHOTOS[:1], (20, 1, 1, 1)))

    assert len(np.unique(made.reshape(20, -1), axis=0)) == 20
    assert all((image != PHOTOS[0]).any() for image in made)


def test_an_image_is_changed_alike_whatever_stands_after_it() -> None:
    np.testing.assert_array_equal(changed(EVERYTHING)[:2], changed(EVERYTHING, PHOTOS[:2]))


@pytest.mark.slow
@settings(max_examples=20)
@given(augment=augments, seed=st.integers(0, 2**40), channels=st.sampled_from([1, 3]), whole=st.booleans())
def test_shape_and_range_are_kept(augment: Augment, seed: int, channels: int, whole: bool) -> None:
    pixels = PHOTOS[..., :channels].astype("uint8" if whole else "float32")

    made = changed(augment, pixels, seed)

    assert made.dtype == np.float32
    assert made.shape == pixels.shape
    assert made.min() >= 0
    assert made.max() <= 255


@pytest.mark.slow
def test_black_comes_in_only_where_it_is_asked_for() -> None:
    grey = np.full((50, 20, 20, 1), 100, np.uint8)
    moves = {"rotation": 40, "shift": 0.2, "zoom": 0.2}

    assert changed(Augment(**moves, fill="constant"), grey).min() == 0
    for fill in ("nearest", "reflect", "wrap"):
        np.testing.assert_allclose(changed(Augment.model_validate(moves | {"fill": fill}), grey), 100, rtol=1e-5)


@pytest.mark.slow
def test_a_function_for_batches_of_any_size_draws_what_eager_code_does() -> None:
    @tf.function(input_signature=[tf.TensorSpec((None, 12, 15, 3), tf.uint8), tf.TensorSpec((2,), tf.int64)])
    def graph(pixels: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
        made = augment_images(pixels, EVERYTHING, seed)
        assert made.shape.as_list() == [None, 12, 15, 3]
        return made

    for count in (1, 4, 6):
        made = graph(tf.constant(PHOTOS[:count]), tf.constant([7, 1], tf.int64)).numpy()
        np.testing.assert_allclose(made, changed(EVERYTHING, PHOTOS[:count]), atol=1e-3)


@pytest.mark.slow
def test_each_turn_of_a_loop_in_the_graph_draws_anew() -> None:
    @tf.function
    def loop() -> tf.Tensor:
        made = tf.TensorArray(tf.float32, 3)
        for turn in tf.range(3, dtype=tf.int64):
            seed = tf.stack([tf.constant(7, tf.int64), turn])
            made = made.write(tf.cast(turn, tf.int32), augment_images(tf.constant(PHOTOS), EVERYTHING, seed))
        return made.stack()

    np.testing.assert_allclose(loop().numpy(), [changed(EVERYTHING, seed=turn) for turn in range(3)], atol=1e-3)


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


@pytest.mark.slow
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
