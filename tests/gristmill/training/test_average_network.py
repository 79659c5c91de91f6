"""A weighted average of networks is one network, which can be saved like any other."""

from pathlib import Path

import keras
import numpy as np
import pytest

from gristmill.domains.common.classification.temperature import scale_logarithms, scale_network
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

    expected = 0.7 * np.exp(scale_logarithms(apart[0], 2.0)) + 0.3 * apart[1]
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


def test_an_average_of_several_is_the_same_bits_in_every_call() -> None:
    """TensorFlow would add three or more tensors in an order that changes."""
    random = np.random.default_rng(0)
    networks = []
    for number in range(4):
        values = keras.Input((40,), name="values")
        layer = keras.layers.Dense(30, name=f"dense_{number}")
        networks.append(keras.Model(values, layer(values)))
        layer.set_weights([random.normal(size=(40, 30)), 1000 * random.normal(size=30)])
    whole = average_networks(
        [(network, weight) for network, weight in zip(networks, (0.4, 0.3, 0.2, 0.1), strict=True)]
    )
    values = random.normal(size=(400, 40)).astype(np.float32)

    made = [whole.predict_on_batch(values.copy()) for _ in range(20)]

    expected = sum(w * one.predict_on_batch(values) for w, one in zip((0.4, 0.3, 0.2, 0.1), networks, strict=True))
    assert made[0] == pytest.approx(expected, rel=1e-5, abs=1e-3)
    assert len({one.tobytes() for one in made}) == 1
