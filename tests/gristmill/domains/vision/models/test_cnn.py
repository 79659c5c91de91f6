"""The convolutional model's network."""

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gristmill.domains.vision.models import Shape
from gristmill.domains.vision.models.cnn import Cnn
from gristmill.errors import RequestError
from gristmill.export import bundle
from gristmill.training import saved_network

SHAPE = Shape(height=12, width=10, channels=3, classes=3)
IMAGES = np.random.default_rng(0).integers(0, 256, (6, 12, 10, 3)).astype(np.uint8)


def built(shape: Shape = SHAPE, **fields: Any) -> keras.Model:
    keras.utils.set_random_seed(0)
    return Cnn.model_validate({"kind": "cnn"} | fields).build(shape)


def kinds(network: keras.Model) -> list[str]:
    return [type(layer).__name__ for layer in network.layers]


def test_the_courses_network_for_clothes_has_the_courses_parameters() -> None:
    network = built(Shape(28, 28, 1, 10), filters=(64, 64), units=(128,))

    assert network.count_params() == 243_786
    maps = [layer.output.shape[1:] for layer in network.layers if "Conv" in type(layer).__name__]
    assert maps == [(26, 26, 64), (11, 11, 64)]


def test_the_courses_network_for_horses_has_the_courses_parameters() -> None:
    network = built(Shape(300, 300, 3, 2), filters=(16, 32, 64, 64, 64), units=(512,))

    assert network.count_params() == 1_704_097
    assert network.output_shape == (None, 1)


def test_pixels_come_as_bytes_or_floats() -> None:
    network = built(filters=(4,), units=(5,))

    assert network.input_shape == (None, 12, 10, 3)
    assert np.array_equal(network(IMAGES), network(IMAGES.astype(np.float32)))


def test_a_convolution_is_one() -> None:
    """One filter over one channel, summed by a loop."""
    network = built(Shape(4, 4, 1, 3), filters=(1,), pool=1, units=())
    kernel, bias = np.random.default_rng(1).normal(size=(3, 3)), 0.1
    network.set_weights([kernel[:, :, None, None], np.full(1, bias), np.eye(4)[:, :3], np.zeros(3)])
    image = IMAGES[0, :4, :4, 0]

    windows = [image[row : row + 3, column : column + 3] / 255 for row in range(2) for column in range(2)]
    expected = [max(0.0, float((window * kernel).sum()) + bias) for window in windows][:3]

    assert np.asarray(network(image[None, :, :, None]))[0] == pytest.approx(expected, abs=1e-5)


def test_batch_normalisation_stands_between_a_convolution_and_its_relu() -> None:
    network = built(filters=(4, 4), kernel=2, batch_norm=True)

    block = ["Conv2D", "BatchNormalization", "ReLU", "MaxPooling2D"]
    assert kinds(network)[2:] == [*block, *block, "Flatten", "Dropout", "Dense", "Dense"]
    assert not any(layer.use_bias for layer in network.layers if isinstance(layer, keras.layers.Conv2D))


def test_average_pooling_takes_the_mean_of_each_map() -> None:
    network = built(filters=(4,), padding="same", pooling="average", units=())
    weights, bias = network.layers[-1].get_weights()
    maps = keras.Model(network.input, network.layers[-4].output)(IMAGES)

    assert maps.shape == (6, 6, 5, 4)
    assert np.asarray(network(IMAGES)) == pytest.approx(np.mean(maps, axis=(1, 2)) @ weights + bias, abs=1e-5)


def test_dropout_works_in_training_alone() -> None:
    network = built(filters=(8,), dropout=0.5)

    assert np.array_equal(network(IMAGES), network(IMAGES))
    assert not np.array_equal(network(IMAGES, training=True), network(IMAGES))


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"filters": (4, 4, 4)}, "convolution 3 of 3 takes maps of 1 x 1 pixels"),  # 12x10, 10x8, 5x4, 3x2, 1x1
        ({"filters": (4, 4), "kernel": 5}, "convolution 2 of 2 takes maps of 4 x 3 pixels"),
        ({"filters": (4,) * 4, "padding": "same"}, "pool 4 of 4 takes maps of 1 x 1 pixels"),
    ],
)
def test_a_stack_too_deep_for_the_size_is_refused(fields: dict[str, Any], told: str) -> None:
    with pytest.raises(RequestError, match=told) as refused:
        built(**fields)

    assert "(images: 12 x 10). Use fewer filters, padding = 'same'" in str(refused.value)


@pytest.mark.slow
@settings(max_examples=40)
@given(
    size=st.tuples(st.integers(1, 20), st.integers(1, 20)),
    depth=st.integers(1, 4),
    kernel=st.integers(1, 4),
    pool=st.integers(1, 3),
    padding=st.sampled_from(["valid", "same"]),
)
def test_what_is_refused_is_what_keras_could_not_build(
    size: tuple[int, int], depth: int, kernel: int, pool: int, padding: str
) -> None:
    layers: list[Any] = [keras.Input((*size, 1))]
    for _ in range(depth):
        layers += [keras.layers.Conv2D(1, kernel, padding=padding), keras.layers.MaxPooling2D(pool)]
    try:
        expected = keras.Sequential(layers).output_shape
    except ValueError:
        expected = None
    if expected and 0 in expected:
        expected = None

    try:
        network = built(Shape(*size, 1, 2), filters=(1,) * depth, kernel=kernel, pool=pool, padding=padding)
        made = next(layer.input.shape for layer in network.layers if isinstance(layer, keras.layers.Flatten))
    except RequestError:
        made = None

    assert made == expected


@pytest.mark.slow
def test_a_network_reads_back_bit_by_bit_and_exports(tmp_path: Path) -> None:
    network = built(filters=(4,), batch_norm=True, dropout=0.2, units=(5,))
    network.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    network.fit(IMAGES, np.arange(6) % 3, verbose=0)
    made = np.asarray(network(IMAGES))

    saved_network.write(network, tmp_path)
    bundle.export_network(network, ["saved_model"], tmp_path)

    assert np.asarray(saved_network.read(tmp_path)(IMAGES)).tobytes() == made.tobytes()
    assert bundle.load(tmp_path, "saved_model")(IMAGES.astype(np.float32)) == pytest.approx(made, abs=1e-5)
