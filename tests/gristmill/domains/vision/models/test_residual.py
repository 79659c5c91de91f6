"""The residual network's depth follows the size of the images."""

from typing import Any

import keras
import numpy as np
import pytest

from gristmill.domains.vision.models import Shape
from gristmill.domains.vision.models.residual import Residual


def built(height: int, width: int, channels: int = 3, classes: int = 3, **fields: Any) -> keras.Model:
    keras.utils.set_random_seed(0)
    return Residual.model_validate({"kind": "residual", "width": 8} | fields).build(
        Shape(height, width, channels, classes)
    )


def maps(network: keras.Model) -> list[tuple[int, ...]]:
    """Return height, width and filters after each convolution that changes them."""
    shapes = [layer.output.shape[1:] for layer in network.layers if isinstance(layer, keras.layers.Conv2D)]
    return [shape for at, shape in enumerate(shapes) if at == 0 or shape != shapes[at - 1]]


@pytest.mark.parametrize(
    ("height", "width", "expected"),
    [
        (28, 28, [(28, 28, 8), (7, 7, 16), (4, 4, 32)]),
        (64, 48, [(64, 48, 8), (16, 12, 16), (8, 6, 32), (4, 3, 64)]),
        (300, 300, [(60, 60, 8), (15, 15, 16), (8, 8, 32), (4, 4, 64)]),
        (8, 8, [(8, 8, 8), (2, 2, 16)]),
        (2, 3, [(2, 3, 8), (1, 2, 16)]),
    ],
)
def test_each_stage_halves_the_side_down_to_about_four_pixels(
    height: int, width: int, expected: list[tuple[int, ...]]
) -> None:
    assert maps(built(height, width)) == expected


@pytest.mark.parametrize(("classes", "outputs"), [(2, 1), (5, 5)])
def test_there_is_a_logit_for_each_class_or_one_of_two(classes: int, outputs: int) -> None:
    assert built(12, 12, classes=classes).output_shape == (None, outputs)


def test_a_shortcut_adds_what_a_stage_began_with() -> None:
    network = built(8, 8, classes=3)
    silenced = [layer for layer in network.layers if isinstance(layer, keras.layers.BatchNormalization)][-1]
    add = next(layer for layer in network.layers if isinstance(layer, keras.layers.Add))
    silenced.gamma.assign(np.zeros_like(silenced.gamma))

    branches = keras.Model(network.input, [*add.input, add.output])
    before, inner, after = branches.predict(np.random.default_rng(0).uniform(0, 255, (2, 8, 8, 3)), verbose=0)

    assert np.array_equal(inner, np.zeros_like(inner))
    assert np.array_equal(after, before)
    assert before.any()


def test_dropout_drops_features_in_training_only() -> None:
    network, pixels = built(12, 12, dropout=0.5), np.full((1, 12, 12, 3), 90.0)
    dropout = next(layer for layer in network.layers if isinstance(layer, keras.layers.Dropout))

    assert dropout.rate == 0.5
    assert np.array_equal(network(pixels), network(pixels))
