"""Training on two devices is training on one, but for rounding; killed, it goes on on as many alone.

What needs two is called in a process whose CPU is two devices to TensorFlow.
"""

from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from gristmill.errors import RequestError, WorkError
from gristmill.settings.base import Fit
from gristmill.training import distribution
from gristmill.util.table_io import read_table
from helpers.small_trainings import process_of_devices, seeds_by_device, train_domain, train_interrupted, weights_of
from helpers.support import heard, said

MIRRORED = {"strategy": "mirrored"}


@pytest.fixture(scope="module")
def two() -> Iterator[ProcessPoolExecutor]:
    """A process with two devices."""
    with process_of_devices(2) as process:
        yield process


@pytest.mark.slow
@pytest.mark.parametrize(
    ("domain", "batch"),
    [
        ("vision", 20),  # all parts alike; changed images, batch normalisation
        ("text", 7),  # parts of 3 and 4, the last batch holds one of 57; weights of classes, gradients of an embedding
    ],
)
def test_two_devices_learn_what_one_does(domain: str, batch: int, two: ProcessPoolExecutor, tmp_path: Path) -> None:
    alone = train_domain(domain, tmp_path / "one", batch_size=batch)
    together = two.submit(train_domain, domain, tmp_path / "two", batch_size=batch, **MIRRORED).result()

    # To float tolerance: what is summed in another order differs in the last bits, which Adam makes more of.
    for mine, its in zip(weights_of(alone), weights_of(together), strict=True):
        assert its == pytest.approx(mine, rel=1e-3, abs=1e-4)
    epochs, its_epochs = (read_table(folder / "epochs.parquet") for folder in (alone, together))
    assert its_epochs.columns.tolist() == epochs.columns.tolist()
    assert its_epochs.to_numpy() == pytest.approx(epochs.to_numpy(), rel=1e-4, abs=1e-5)
    assert (together / "architecture.json").read_bytes() == (alone / "architecture.json").read_bytes()


@pytest.mark.slow
def test_interrupted_on_two_devices_it_ends_with_the_same_bits(two: ProcessPoolExecutor, tmp_path: Path) -> None:
    """Dropout too, which each device draws for itself."""
    whole = two.submit(train_domain, "tabular", tmp_path / "whole", **MIRRORED).result()
    resumed = two.submit(train_interrupted, "tabular", tmp_path / "resumed", **MIRRORED).result()

    assert (resumed / "weights.npz").read_bytes() == (whole / "weights.npz").read_bytes()
    with pytest.raises(WorkError, match=r"begun on 2 device\(s\); resuming it on 1 .*--refresh"):
        train_domain("tabular", tmp_path / "resumed", **MIRRORED)


@pytest.mark.slow
def test_each_device_draws_for_itself(two: ProcessPoolExecutor) -> None:
    assert two.submit(seeds_by_device).result() == [[[3, 0], [3 + (1 << 32), 0]], [[4, 0], [4 + (1 << 32), 0]]]


@pytest.mark.parametrize("count", [2, 3, 8])
def test_the_parts_of_a_batch_are_all_of_it_once(count: int) -> None:
    for size in range(1, 40):
        parts = [distribution._part(size, number, count) for number in range(count)]
        assert [at for begin, items in parts for at in range(begin, begin + items)] == list(range(size))
        assert max(items for _, items in parts) - min(items for _, items in parts) <= 1
        assert all(begin < size for begin, _ in parts)  # something is shown to a device without a part


def test_one_visible_device_trains_alone_and_says_so(caplog: pytest.LogCaptureFixture) -> None:
    network = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])

    with heard(caplog):
        strategy = distribution.make_strategy(Fit(strategy="mirrored"))

    assert strategy is tf.distribute.get_strategy()
    assert distribution.make_learner(network, Fit(strategy="mirrored"), strategy) is network
    (warning,) = said(caplog)
    assert "one device is visible" in warning


def test_a_network_that_cannot_be_built_anew_is_refused() -> None:
    class Own(keras.layers.Dense):  # type: ignore[misc]  # Keras has no types
        pass

    network = keras.Sequential([keras.Input((2,)), Own(1)])
    how: Any = Fit(precision="mixed_bfloat16")

    with pytest.raises(RequestError, match=r"cannot be rebuilt .*register_keras_serializable"):
        distribution.make_learner(network, how, tf.distribute.get_strategy())


def test_what_one_device_trains_in_float32_is_the_network_itself() -> None:
    network = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    assert distribution.make_learner(network, Fit(), tf.distribute.get_strategy()) is network


def test_an_equal_network_is_handed_over_to_the_last_bit() -> None:
    one, other = (keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)]) for _ in range(2))

    distribution.copy_weights(one, other)

    for mine, its in zip(one.get_weights(), other.get_weights(), strict=True):
        assert np.array_equal(mine, its)


class Branches(keras.layers.Layer):
    """Keeps its layers in containers."""

    def __init__(self) -> None:
        super().__init__()
        self.built = True
        self.branches = {"wide": keras.layers.Dense(3), "deep": [keras.layers.Dense(2), (keras.layers.Dropout(0.1),)]}

    def call(self, given: Any) -> Any:
        return given


@pytest.mark.parametrize("compiled", [False, True])
def test_all_layers_within_layers_are_found(compiled: bool) -> None:
    window = keras.Input((5, 4))
    nested = keras.Sequential([keras.Input((5, 4)), keras.layers.Dense(4), keras.layers.BatchNormalization()])
    both = keras.layers.Bidirectional(keras.layers.LSTM(3, return_sequences=True))
    cells = keras.layers.RNN([keras.layers.LSTMCell(3), keras.layers.GRUCell(2)])
    network = keras.Model(window, cells(both(Branches()(nested(window)))))
    if compiled:
        network.compile("adam", "mse")
    kinds = [type(layer).__name__ for layer in distribution._with_parts(network)]

    several = {"Dense": 3, "Dropout": 1, "BatchNormalization": 1, "LSTM": 2, "LSTMCell": 3, "GRUCell": 1}
    assert {kind: kinds.count(kind) for kind in several} == several
