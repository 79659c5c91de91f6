"""Networks in one graph give what each gives alone, and hold what is equal once."""

from typing import Any

import keras
import numpy as np
import pytest

from gristmill.training import saved_network
from gristmill.training.shared_layers import outputs_of

NUMBERS = np.random.default_rng(0).normal(size=(5, 4)).astype(np.float32)


def base(seed: int = 0) -> keras.Model:
    given = keras.Input((4,), name="numbers")
    return keras.Model(
        given, keras.layers.Dense(6, "relu", kernel_initializer=drawn(seed), name="one")(given), name="base"
    )


def drawn(seed: int) -> Any:
    return keras.initializers.RandomNormal(seed=seed)


def network(base: keras.Model, seed: int, mirror: bool = False) -> keras.Model:
    """Return a network of a base and a head, which also sees the numbers in reverse if `mirror`."""
    given = keras.Input((4,), name="given")
    centred = keras.layers.Rescaling(2.0)(given)
    features = base(centred) + base(keras.ops.flip(centred, axis=1)) if mirror else base(centred)
    return keras.Model(
        given, keras.layers.Dense(2, kernel_initializer=drawn(seed), name="head")(features), name="whole"
    )


def merged(*networks: keras.Model) -> keras.Model:
    given = keras.Input((4,), name="given")
    return keras.Model(given, outputs_of(networks, given))


def test_equal_bases_become_one_that_is_called_once_on_the_same_numbers(tmp_path: Any) -> None:
    networks = [network(base(), 1), network(base(), 2), network(base(), 3, mirror=True)]
    expected = [np.asarray(one(NUMBERS)) for one in networks]

    together = merged(*networks)
    saved_network.write(together, tmp_path)

    (shared,) = (layer for layer in together.layers if layer.name.startswith("base"))
    calls = next(node for node in together.get_config()["layers"] if node["name"] == shared.name)["inbound_nodes"]
    assert len(calls) == 2  # as they are, and in reverse
    assert together.count_params() == 4 * 6 + 6 + 3 * (6 * 2 + 2)
    for made in (together(NUMBERS), saved_network.read(tmp_path)(NUMBERS)):
        for one, alone in zip(made, expected, strict=True):
            assert np.asarray(one).tobytes() == alone.tobytes()


def test_bases_of_other_weights_or_settings_stay_apart() -> None:
    networks = [network(base(), 1), network(base(seed=9), 1)]
    expected = [np.asarray(one(NUMBERS)) for one in networks]

    together = merged(*networks)

    assert together.count_params() == 2 * (4 * 6 + 6) + (6 * 2 + 2)  # the heads are equal
    assert [np.asarray(one).tolist() for one in together(NUMBERS)] == [one.tolist() for one in expected]


@pytest.mark.parametrize("factor", [2.0, 3.0])
def test_layers_of_one_name_and_other_settings_get_names_of_their_own(factor: float) -> None:
    def scaled(by: float) -> keras.Model:
        given = keras.Input((4,))
        return keras.Model(given, keras.layers.Rescaling(by, name="scale")(given))

    together = merged(scaled(2.0), scaled(factor))

    one, other = (np.asarray(made) for made in together(NUMBERS))
    assert len([layer for layer in together.layers if layer.name.startswith("scale")]) == 1 + (factor != 2)
    assert np.array_equal(other, one * factor / 2)
