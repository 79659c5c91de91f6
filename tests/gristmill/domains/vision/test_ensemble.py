"""An average of classifiers is one network, which can be saved like any other."""

from pathlib import Path

import keras
import numpy as np
import pytest

from gristmill.domains.common.classification.temperature import scale_probabilities
from gristmill.domains.vision.ensemble import Member, average
from gristmill.training import saved_network

PIXELS = np.random.default_rng(0).integers(0, 256, (5, 4, 3, 1)).astype(np.uint8)


def classifier(seed: int) -> keras.Model:
    keras.utils.set_random_seed(seed)
    image = keras.Input((4, 3, 1), dtype="uint8")
    flat = keras.layers.Flatten()(keras.layers.Rescaling(1 / 255)(image))
    return keras.Model(image, keras.layers.Dense(3, activation="softmax")(flat), name="classifier")


def test_probabilities_are_scaled_then_averaged(tmp_path: Path) -> None:
    networks = [classifier(0), classifier(1)]
    apart = [network.predict_on_batch(PIXELS) for network in networks]

    whole = average([Member("one", networks[0], 0.7, 2.0), Member("other-2", networks[1], 0.3)])

    expected = 0.7 * scale_probabilities(apart[0], 2.0) + 0.3 * apart[1]
    assert whole.predict_on_batch(PIXELS) == pytest.approx(expected, abs=1e-6)
    saved_network.write(whole, tmp_path)
    assert np.array_equal(saved_network.read(tmp_path).predict_on_batch(PIXELS), whole.predict_on_batch(PIXELS))


def test_a_single_member_is_scaled_too() -> None:
    network = classifier(0)
    alone = network.predict_on_batch(PIXELS)

    whole = average([Member("one", network, 1.0, 0.5)])

    assert whole.predict_on_batch(PIXELS) == pytest.approx(scale_probabilities(alone, 0.5), abs=1e-6)
