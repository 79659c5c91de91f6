"""Rows are looked up by position, and keys are found in a sorted table, for matrices of any size."""

import keras
import numpy as np
import pytest

from gristmill.training.lookup_tables import AFTER_ALL_KEYS, constant, frozen_table, positions_of

KEYS = np.array([2, 5, 9, 10**12, AFTER_ALL_KEYS])


@pytest.mark.parametrize("shape", [(1, 1), (2, 3), (5, 2)])
def test_keys_are_found_at_their_positions_and_others_at_the_last(shape: tuple[int, int]) -> None:
    wanted = keras.Input((None,), dtype="int64")
    network = keras.Model(wanted, positions_of(constant(KEYS, wanted, "keys"), wanted))
    given = np.random.default_rng(0).choice([-1, 0, 2, 5, 7, 9, 10**12], shape)

    found = np.asarray(network(given))

    assert found.tolist() == [[KEYS.tolist().index(key) if key in KEYS else 4 for key in row] for row in given]


def test_a_table_keeps_integers_and_makes_fractions_float32() -> None:
    numbers, fractions = (
        frozen_table(np.array([[10**12], [3]]), "numbers"),
        frozen_table(np.array([[0.1]]), "fractions"),
    )

    assert numbers(np.array([1, 0])).numpy().tolist() == [[3], [10**12]]
    assert fractions(np.array([0])).numpy().tolist() == [[np.float32(0.1)]]
    assert not numbers.trainable_variables
