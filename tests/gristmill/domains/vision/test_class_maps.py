"""Class activation maps show the places that speak for a class."""

import io
from typing import Any

import keras
import numpy as np
import pytest
from PIL import Image

from gristmill.domains.vision.class_maps import class_maps, picture, place


def detector(trainable: bool = True) -> keras.Model:
    """Return a network that tells red from blue images by their mean colours, through a convolution."""
    image = keras.Input((24, 24, 3), dtype="uint8", name="image")
    convolution = keras.layers.Conv2D(2, 1, activation="relu", trainable=trainable)
    maps = convolution(keras.layers.AveragePooling2D(4)(keras.layers.Rescaling(1 / 255)(image)))
    head = keras.layers.Dense(2, activation="softmax", trainable=trainable)
    network = keras.Model(image, head(keras.layers.GlobalAveragePooling2D()(maps)))
    convolution.set_weights([np.array([[[[1, 0], [0, 0], [0, 1]]]], np.float32), np.zeros(2, np.float32)])
    head.set_weights([np.eye(2, dtype=np.float32) * 5, np.zeros(2, np.float32)])
    return network


def spots() -> Any:
    """Return an image with a red spot in its upper left and a blue one in its lower right corner."""
    image = np.zeros((24, 24, 3), np.uint8)
    image[:8, :8, 0] = 255
    image[16:, 16:, 2] = 255
    return image


@pytest.mark.parametrize("trainable", [True, False])
def test_each_class_is_where_its_colour_is(trainable: bool) -> None:
    maps = class_maps(detector(trainable), np.stack([spots(), spots()]), [0, 1])

    assert maps is not None
    red, blue = maps
    expected = np.zeros((6, 6))
    expected[:2, :2] = 1
    assert red == pytest.approx(expected, abs=1e-6)
    assert blue == pytest.approx(expected[::-1, ::-1], abs=1e-6)
    assert (place(red), place(blue)) == ("upper left", "lower right")


def test_nothing_speaks_for_a_class_on_a_black_image() -> None:
    maps = class_maps(detector(), np.zeros((1, 24, 24, 3), np.uint8), [0])

    assert maps is not None
    assert maps.max() == 0
    assert place(maps[0]) == ""


def test_a_network_without_convolutions_has_no_maps() -> None:
    network = keras.Sequential([keras.Input((4, 4, 3)), keras.layers.Flatten(), keras.layers.Dense(2)])

    assert class_maps(network, np.zeros((1, 4, 4, 3), np.uint8), [0]) is None


@pytest.mark.parametrize(
    ("at", "words"), [((0, 0), "upper left"), ((1, 1), "middle"), ((1, 2), "right"), ((2, 1), "lower")]
)
def test_the_place_is_said_in_words(at: tuple[int, int], words: str) -> None:
    class_map = np.zeros((3, 3), np.float32)
    class_map[at] = 1

    assert place(class_map) == words


@pytest.mark.parametrize("channels", [1, 3])
def test_a_picture_is_the_grey_image_with_the_map_in_red(channels: int) -> None:
    class_map = np.zeros((2, 4), np.float32)
    class_map[:, :2] = 1

    drawn = Image.open(io.BytesIO(picture(np.full((100, 200, channels), 128, np.uint8), class_map, side=96)))

    assert (drawn.format, drawn.size) == ("JPEG", (96, 48))
    red, green, blue = np.asarray(drawn, int)[24, 8]
    assert red > 150 > 100 > green
    assert abs(green - blue) < 10
    assert np.ptp(np.asarray(drawn, int)[24, 90]) < 6  # grey
