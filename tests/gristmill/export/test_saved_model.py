"""SavedModels and `.keras` files of the same network are equal byte for byte."""

import os
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

from conftest import ROOT
from gristmill.export import saved_model
from gristmill.export.formats import write_keras
from gristmill.training import keras_backend, saved_network

WORDS = tf.constant([["a", "b"], ["b", "c"]])


@pytest.mark.slow
def test_equal_networks_with_tables_and_loops_make_equal_files(tmp_path: Path) -> None:
    """What TensorFlow numbers goes on from the first one to the second."""
    given = keras.Input((2,), dtype="string", name="words")
    numbers = [keras.layers.StringLookup(vocabulary=known)(given) for known in (["a", "b"], ["c"])]
    state = keras.layers.SimpleRNN(3)(keras.layers.Embedding(4, 2)(keras.layers.add(numbers)))
    network = keras.Model(given, keras.layers.Dense(1)(state))
    saved_network.write(network, tmp_path)
    contents = []
    for name in ("first", "second"):
        keras.backend.clear_session()
        copy = saved_network.read(tmp_path)
        saved_model.write(tmp_path / name, {"serving_default": (copy, saved_model.input_specs(copy))}, [copy])
        files = [path for path in (tmp_path / name).rglob("*") if path.is_file()]
        contents.append({path.relative_to(tmp_path / name): path.read_bytes() for path in files})

    assert contents[0] == contents[1]
    loaded = tf.saved_model.load(tmp_path / "second").signatures["serving_default"]
    assert loaded(words=WORDS)["output_0"].numpy() == pytest.approx(network(WORDS).numpy(), abs=1e-6)


@pytest.mark.slow
def test_the_threads_of_the_process_do_not_change_the_files(tmp_path: Path) -> None:
    program = """
import sys
from pathlib import Path
from gristmill.training.keras_backend import import_keras
import_keras()
import keras
from gristmill.export import saved_model
keras.utils.set_random_seed(1)
network = keras.Sequential([keras.Input((3, 1)), keras.layers.GRU(2), keras.layers.Dense(1)])
saved_model.write(Path(sys.argv[1]), {"serving_default": (network, saved_model.input_specs(network))}, [network])
"""
    for threads in ("1", "2"):
        environment = os.environ | {"PYTHONPATH": str(ROOT), keras_backend.THREADS_VARIABLE: threads}
        subprocess.run([sys.executable, "-c", program, tmp_path / threads], env=environment, check=True)

    one, two = ((tmp_path / threads / "saved_model.pb").read_bytes() for threads in ("1", "2"))
    assert one == two


class Scaled(keras.layers.Layer):
    """A layer with a variable of TensorFlow instead of Keras."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = tf.Variable(2.0, trainable=False)

    def call(self, values: tf.Tensor) -> tf.Tensor:
        return values * self.scale


def test_activations_with_gradients_of_their_own_and_plain_variables_are_written(tmp_path: Path) -> None:
    contents = []
    for name in ("first", "second"):
        keras.utils.set_random_seed(1)
        keras.backend.clear_session()
        layers = [keras.layers.Dense(4, activation="silu"), Scaled()]
        network = keras.Sequential([keras.Input((8,), name="numbers"), *layers])
        saved_model.write(tmp_path / name, {"serving_default": (network, saved_model.input_specs(network))}, [network])
        contents.append((tmp_path / name / "saved_model.pb").read_bytes())

    assert contents[0] == contents[1]
    loaded = tf.saved_model.load(tmp_path / "first").signatures["serving_default"]
    given = tf.ones((3, 8))
    assert loaded(numbers=given)["output_0"].numpy() == pytest.approx(network(given).numpy(), abs=1e-6)


def test_keras_files_of_layers_that_share_an_object_are_equal(tmp_path: Path) -> None:
    """Keras names the object by its address, which differs between processes."""
    policies = [keras.DTypePolicy("float64") for _ in range(2)]  # both alive, so at two addresses
    contents = []
    for policy in policies:
        keras.utils.set_random_seed(1)
        keras.backend.clear_session()
        layers = [keras.layers.Dense(3, dtype=policy), keras.layers.Dense(2, dtype=policy)]
        network = keras.Sequential([keras.Input((4,)), *layers])
        write_keras(network, tmp_path / "model.keras")
        contents.append((tmp_path / "model.keras").read_bytes())

    assert contents[0] == contents[1]
    loaded = keras.models.load_model(tmp_path / "model.keras")
    assert [layer.dtype_policy.name for layer in loaded.layers] == ["float64", "float64"]
    assert loaded(np.ones((1, 4))).numpy() == pytest.approx(network(np.ones((1, 4))).numpy())
