"""SavedModels of the same network are equal byte for byte."""

from pathlib import Path

import keras
import pytest
import tensorflow as tf

from gristmill.export import saved_model
from gristmill.training import saved_network

WORDS = tf.constant([["a", "b"], ["b", "c"]])


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
