"""A network on disk: equal when it comes back, equal bytes for equal networks, and no code in it."""

import gc
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any
from weakref import ref

import numpy as np
import pytest

from gristmill.errors import CorruptArtifact, WorkError
from gristmill.training import saved_network
from helpers.scoreboard import Fault

if TYPE_CHECKING:
    import keras

INPUTS = np.random.default_rng(0).normal(size=(5, 6)).astype(np.float32)


def build(width: int = 4) -> "keras.Model":
    """Return a network with weights, with states that are no weights, and with a network inside."""
    from gristmill.training.seeds import seeded

    def layers() -> "keras.Model":
        from keras import Input, Sequential, layers

        inner = Sequential(
            [
                Input((6,)),
                layers.Reshape((6, 1)),
                layers.Conv1D(3, 2, padding="causal"),
                layers.BatchNormalization(),
                layers.LSTM(width),
                layers.Dropout(0.5),
                layers.Dense(2),
            ]
        )
        return Sequential([Input((6,)), layers.Rescaling(2.0, -1.0), inner], name="outer")

    network = seeded(layers, 1)
    network(INPUTS * 3, training=True)  # moves the averages of the normalisation and the seed of the dropout
    return network


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> "tuple[keras.Model, Path]":
    folder = tmp_path_factory.mktemp("network")
    network = build()
    saved_network.write(network, folder)
    return network, folder


class Canary:
    """Code that an unpickler would run."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __reduce__(self) -> tuple[object, tuple[object, ...]]:
        return (Path.touch, (self._path,))


@pytest.mark.slow
def test_a_network_comes_back_with_all_it_holds(written: "tuple[keras.Model, Path]") -> None:
    network, folder = written

    found = saved_network.read(folder)

    assert np.array_equal(found.predict(INPUTS, verbose=0), network.predict(INPUTS, verbose=0))
    for variable, original in zip(found.variables, network.variables, strict=True):
        assert np.array_equal(variable.value, original.value)
        assert variable.dtype == original.dtype


@pytest.mark.parametrize("rows", [1, 5, 2500])
def test_predictions_are_those_of_keras_whatever_the_number_of_rows(
    written: "tuple[keras.Model, Path]", rows: int
) -> None:
    network, inputs = written[0], np.random.default_rng(1).normal(size=(rows, 6)).astype(np.float32)

    found = saved_network.predict_in_batches(network, inputs)

    assert np.array_equal(found, network.predict(inputs, batch_size=1024, verbose=0))


def recording(calls: list[int | None]) -> "keras.Model":
    """Return a network that returns its inputs and records the number of rows of each call; None while compiling."""
    import keras

    class Recording(keras.layers.Layer):  # type: ignore[misc]  # Keras has no types
        def call(self, inputs: Any) -> Any:
            calls.append(inputs.shape[0])
            return inputs

    given = keras.Input((6,))
    network = keras.Model(given, Recording()(given))
    calls.clear()
    return network


@pytest.mark.parametrize(("rows", "called_with"), [(3, 3), (4096, 4096), (4097, None)])
def test_a_network_that_is_used_once_is_compiled_for_many_rows_only(rows: int, called_with: int | None) -> None:
    calls: list[int | None] = []
    inputs = np.random.default_rng(1).normal(size=(rows, 6)).astype(np.float32)

    found = saved_network.predict_once(recording(calls), inputs)

    assert calls == [called_with]
    assert np.array_equal(found, inputs)


def test_a_function_is_compiled_once_for_any_number_of_rows_and_freed_with_its_network() -> None:
    compiled: list[int | None] = []
    network = recording(compiled)
    for rows in (3, 1500, 3, 40):
        saved_network.predict_in_batches(network, np.zeros((rows, 6), np.float32))

    assert compiled == [None]
    alive = ref(network)
    del network
    gc.collect()
    assert alive() is None


def test_predictions_of_several_inputs_are_cut_alike() -> None:
    import tensorflow as tf
    from keras import Input, Model, layers

    numbers, names = Input((2,), name="numbers"), Input((1,), dtype="string", name="names")
    known = layers.StringLookup(vocabulary=["a", "b"], output_mode="one_hot")(names)
    network = Model({"numbers": numbers, "names": names}, layers.Concatenate()([numbers, known]))
    drawn = np.random.default_rng(2).normal(size=(1500, 2)).astype(np.float32)
    inputs = {"numbers": drawn, "names": tf.constant([["a"], ["b"], ["c"]] * 500)}

    found = saved_network.predict_in_batches(network, inputs)

    assert np.array_equal(found[:, :2], drawn)
    assert found[:, 2:].argmax(axis=1).tolist() == [1, 2, 0] * 500


def test_equal_networks_give_equal_bytes(written: "tuple[keras.Model, Path]", tmp_path: Path) -> None:
    saved_network.write(build(), tmp_path)

    assert sorted(path.name for path in tmp_path.iterdir()) == ["architecture.json", "weights.npz"]
    for path in tmp_path.iterdir():
        assert path.read_bytes() == (written[1] / path.name).read_bytes()


def test_reading_and_writing_again_changes_nothing(written: "tuple[keras.Model, Path]", tmp_path: Path) -> None:
    saved_network.write(saved_network.read(written[1]), tmp_path)

    assert (tmp_path / "weights.npz").read_bytes() == (written[1] / "weights.npz").read_bytes()


def test_weights_of_another_network_are_refused(written: "tuple[keras.Model, Path]", tmp_path: Path) -> None:
    saved_network.write(build(width=5), tmp_path)
    shutil.copy(written[1] / "architecture.json", tmp_path)

    with pytest.raises(CorruptArtifact, match=r"the weights do not fit the architecture\. Run again with --refresh"):
        saved_network.read(tmp_path)


def test_too_few_weights_are_refused(written: "tuple[keras.Model, Path]", tmp_path: Path) -> None:
    shutil.copytree(written[1], tmp_path, dirs_exist_ok=True)
    with np.load(tmp_path / "weights.npz") as arrays:
        kept = dict(list(arrays.items())[:-1])
    np.savez(tmp_path / "weights.npz", **kept)

    with pytest.raises(CorruptArtifact, match="do not fit"):
        saved_network.read(tmp_path)


@pytest.mark.fault(28)
def test_pickled_arrays_are_refused_unread(written: "tuple[keras.Model, Path]", tmp_path: Path, fault: Fault) -> None:
    folder, canary = tmp_path / "network", tmp_path / "canary"
    shutil.copytree(written[1], folder)
    with np.load(folder / "weights.npz") as arrays:
        kept = dict(arrays)
    kept["0000"] = np.full(kept["0000"].shape, Canary(canary), object)
    np.savez(folder / "weights.npz", allow_pickle=True, **kept)

    with pytest.raises(CorruptArtifact) as refused:
        saved_network.read(folder)

    fault.said(str(refused.value).replace(str(folder), "…"))
    assert str(refused.value) == (f"{folder}: the weights do not fit the architecture. Run again with --refresh train.")
    assert not canary.exists()


def test_a_disk_that_fails_is_no_damage_of_the_network(written: "tuple[keras.Model, Path]", tmp_path: Path) -> None:
    shutil.copytree(written[1], tmp_path, dirs_exist_ok=True)
    (tmp_path / "weights.npz").unlink()

    with pytest.raises(FileNotFoundError):
        saved_network.read(tmp_path)


def test_too_little_memory_is_no_damage_of_the_network(tmp_path: Path) -> None:
    import tensorflow as tf

    with pytest.raises(WorkError) as raised, saved_network.translate_load_errors(tmp_path / "model.keras", "export"):
        raise tf.errors.ResourceExhaustedError(None, None, "OOM when allocating tensor")

    assert not isinstance(raised.value, CorruptArtifact)
    assert str(raised.value) == f"{tmp_path / 'model.keras'}: takes more memory than is free. Free some."


@pytest.mark.fault(28)
def test_code_in_the_architecture_is_refused_unread(written: "tuple[keras.Model, Path]", tmp_path: Path) -> None:
    import keras

    folder, canary = tmp_path / "network", tmp_path / "canary"
    shutil.copytree(written[1], folder)
    name = str(canary)
    touching = keras.layers.Lambda(lambda inputs: [inputs, open(name, "w")][0])  # noqa: PTH123, SIM115
    hostile = keras.Sequential([keras.Input((6,)), touching])
    assert canary.exists()  # building it ran the code
    canary.unlink()
    (folder / "architecture.json").write_text(hostile.to_json())

    with pytest.raises(
        CorruptArtifact, match=r"architecture\.json: refused \(.*Lambda.*\)\. Nothing in it was run\. Run"
    ):
        saved_network.read(folder)

    assert not canary.exists()
