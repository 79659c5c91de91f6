"""The dense model's network."""

from itertools import pairwise
from pathlib import Path

import keras
import numpy as np
import pytest

from gristmill.domains.vision.models import Shape
from gristmill.domains.vision.models.dense import Dense
from gristmill.export import bundle
from gristmill.training import saved_network

SHAPE = Shape(height=5, width=4, channels=3, classes=3)
IMAGES = np.random.default_rng(0).integers(0, 256, (6, 5, 4, 3)).astype(np.uint8)


@pytest.mark.parametrize(
    ("units", "shape"),
    [((128,), Shape(28, 28, 1, 10)), ((8, 4), Shape(5, 4, 3, 2)), ((), SHAPE)],
)
def test_layers_lie_over_all_pixels(units: tuple[int, ...], shape: Shape) -> None:
    network = Dense(kind="dense", units=units, dropout=0.1).build(shape)

    widths = [shape.height * shape.width * shape.channels, *units, shape.outputs]
    assert network.count_params() == sum((wide + 1) * narrow for wide, narrow in pairwise(widths))
    assert network.input_shape == (None, shape.height, shape.width, shape.channels)
    assert network.output_shape == (None, shape.outputs)


def test_without_hidden_layers_it_is_a_linear_map_of_pixels_from_0_to_1() -> None:
    network = Dense(kind="dense", units=()).build(SHAPE)
    weights, bias = network.get_weights()

    expected = (IMAGES / 255).reshape(6, -1) @ weights + bias

    assert np.asarray(network(IMAGES)) == pytest.approx(expected, abs=1e-5)
    assert np.asarray(network(IMAGES.astype(np.float32))) == pytest.approx(expected, abs=1e-5)


def test_dropout_works_in_training_alone() -> None:
    network = Dense(kind="dense", units=(64,), dropout=0.5).build(SHAPE)

    assert np.array_equal(network(IMAGES), network(IMAGES))
    assert not np.array_equal(network(IMAGES, training=True), network(IMAGES))


def test_a_network_reads_back_bit_by_bit_and_exports(tmp_path: Path) -> None:
    keras.utils.set_random_seed(0)
    network = Dense(kind="dense", units=(8,), dropout=0.2).build(SHAPE)
    made = np.asarray(network(IMAGES))

    saved_network.write(network, tmp_path)
    bundle.export_network(network, ["saved_model"], tmp_path)

    assert np.asarray(saved_network.read(tmp_path)(IMAGES)).tobytes() == made.tobytes()
    assert bundle.load(tmp_path, "saved_model")(IMAGES.astype(np.float32)) == pytest.approx(made, abs=1e-5)
