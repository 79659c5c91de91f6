"""A weighted average of networks is one network, which can be saved like any other."""

from pathlib import Path

import keras
import numpy as np
import pytest

from gristmill.domains.common.classification.temperature import scale_network, scale_probabilities
from gristmill.training import saved_network
from gristmill.training.average_network import average_networks, equal_average

PIXELS = np.random.default_rng(0).integers(0, 256, (5, 4, 3, 1)).astype(np.uint8)


def classifier(seed: int) -> keras.Model:
    keras.utils.set_random_seed(seed)
    image = keras.Input((4, 3, 1), dtype="uint8", name="image")
    flat = keras.layers.Flatten()(keras.layers.Rescaling(1 / 255)(image))
    return keras.Model(image, keras.layers.Dense(3, activation="softmax")(flat), name="classifier")


def test_predictions_are_scaled_then_averaged(tmp_path: Path) -> None:
    networks = [classifier(0), classifier(1)]
    apart = [network.predict_on_batch(PIXELS) for network in networks]

    whole = average_networks([(scale_network(networks[0], 2.0), 0.7), (networks[1], 0.3)])

    expected = 0.7 * scale_probabilities(apart[0], 2.0) + 0.3 * apart[1]
    assert whole.predict_on_batch(PIXELS) == pytest.approx(expected, abs=1e-6)
    assert (whole.input.name, whole.input.dtype) == ("image", "uint8")
    saved_network.write(whole, tmp_path)
    assert np.array_equal(saved_network.read(tmp_path).predict_on_batch(PIXELS), whole.predict_on_batch(PIXELS))


def test_a_single_network_stays_as_it_is() -> None:
    network = classifier(0)

    assert equal_average([network]) is network
    assert scale_network(network, 1.0) is network


def test_members_may_see_parts_of_the_input() -> None:
    window, short = keras.Input((4, 1)), keras.Input((2, 1))
    members = [(keras.Model(one, keras.layers.Flatten()(one)[:, :1]), 0.5) for one in (window, short)]
    whole = keras.Input((4, 1))

    network = average_networks(members, whole, lambda one: whole[:, -one.input_shape[1] :, :])

    assert network.predict_on_batch(np.array([[[1.0], [2.0], [4.0], [8.0]]])).tolist() == [[2.5]]
