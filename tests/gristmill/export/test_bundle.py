"""A bundle is proved equal, in a fresh process, to what was scored."""

import json
import os
import sys
import time
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING
from zipfile import ZipFile

import numpy as np
import pytest

from gristmill.errors import ParityError, RequestError
from gristmill.export import bundle

if TYPE_CHECKING:
    import keras

INPUTS = np.random.default_rng(0).normal(size=(5, 6)).astype(np.float32)


@pytest.fixture(scope="module")
def network() -> "keras.Model":
    from keras import Input, Sequential, layers

    return Sequential([Input((6,), name="history"), layers.Dense(3, activation="tanh"), layers.Dense(2)])


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory, network: "keras.Model") -> Path:
    folder = tmp_path_factory.mktemp("bundle")
    bundle.export_network(network, ("saved_model", "keras"), folder)
    return folder


def answering(**predictions: np.ndarray) -> bundle.Reload:
    """Return a stand-in for the fresh process, which answers with these predictions."""

    def reload(exported: Path, formats: Iterable[str], folder: Path) -> None:
        for form, predicted in predictions.items():
            np.save(folder / f"{form}.npy", predicted)

    return reload


def test_a_process_that_is_not_asked_is_gone_at_the_end() -> None:
    with pytest.raises(KeyError), bundle.fresh_process() as reload:
        raise KeyError("something before")

    with pytest.raises(ValueError, match="closed file"):
        reload(Path("bundle"), ("keras",), Path("folder"))


def test_a_process_started_ahead_is_used_once_and_gone_at_the_end() -> None:
    with bundle.prestart_parity_check(), bundle.fresh_process() as reload, bundle.fresh_process() as another:
        assert another is not reload

    with pytest.raises(ValueError, match="closed file"):
        reload(Path("bundle"), ("keras",), Path("folder"))
    assert not bundle._prestarted


def test_only_the_formats_asked_for_are_written(tmp_path: Path, network: "keras.Model", exported: Path) -> None:
    bundle.export_network(network, ("keras",), tmp_path)

    assert [path.name for path in tmp_path.iterdir()] == ["model.keras"]
    assert sorted(path.name for path in exported.iterdir()) == ["model.keras", "saved_model"]


def test_a_keras_file_does_not_depend_on_the_time_at_which_it_is_written(
    tmp_path: Path, network: "keras.Model", exported: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(time, "time", lambda: 1e9)
    bundle.export_network(network, ("keras",), tmp_path)

    assert (tmp_path / "model.keras").read_bytes() == (exported / "model.keras").read_bytes()
    with ZipFile(tmp_path / "model.keras") as archive:
        assert list(json.loads(archive.read("metadata.json"))) == ["keras_version"]


@pytest.mark.slow
@pytest.mark.parametrize("form", ["lite", "onnx"])
def test_a_format_of_an_extra_predicts_any_number_of_rows(tmp_path: Path, network: "keras.Model", form: str) -> None:
    bundle.export_network(network, (form,), tmp_path)
    predict = bundle.load(tmp_path, form)

    for rows in (5, 1, 3):
        assert predict(INPUTS[:rows]) == pytest.approx(network.predict(INPUTS[:rows], verbose=0), abs=1e-6)


@pytest.mark.slow
def test_every_format_holds_in_a_fresh_process(tmp_path: Path, network: "keras.Model") -> None:
    formats = ("saved_model", "keras", "lite", "onnx")
    bundle.export_network(network, formats, tmp_path)
    scored = network.predict(INPUTS, verbose=0)

    with bundle.fresh_process() as reload:
        assert bundle.check_parity(reload, tmp_path, formats, INPUTS, scored, tolerance=1e-5) <= 1e-5
    with pytest.raises(ParityError, match="the exported onnx model differs"), bundle.fresh_process() as reload:
        bundle.check_parity(reload, tmp_path, ("onnx",), INPUTS, scored + 0.1, tolerance=1e-5)


@pytest.mark.parametrize(
    ("form", "module", "extra"),
    [("lite", "ai_edge_litert", "lite"), ("onnx", "onnxruntime", "onnx"), ("onnx", "tf2onnx", "onnx")],
)
def test_a_format_whose_extra_is_not_installed_is_refused_before_it_is_written(
    tmp_path: Path, network: "keras.Model", monkeypatch: pytest.MonkeyPatch, form: str, module: str, extra: str
) -> None:
    monkeypatch.setitem(sys.modules, module, None)

    with pytest.raises(RequestError, match=rf"needs {module}.*Run: pip install 'gristmill\[{extra}\]'"):
        bundle.export_network(network, (form,), tmp_path)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(("width", "most"), [(6, 1024), (2**18, 4), (2**21, 1)])
def test_a_model_is_shown_few_inputs_at_a_time(width: int, most: int) -> None:
    """1024 rows or 4 MiB of float32 at most, and one row however large it is; the order stays."""
    inputs, shown = np.arange(2 * most + 1, dtype=np.float32)[:, None] * np.ones((1, width), np.float32), []

    def predict(block: np.ndarray) -> np.ndarray:
        shown.append(len(block))
        return block[:, :1]

    made = bundle.predict_in_blocks(predict)(inputs)

    assert shown == [most, most, 1]
    assert made[:, 0].tolist() == list(range(2 * most + 1))


@pytest.mark.parametrize("form", ["saved_model", "keras"])
@pytest.mark.parametrize("rows", [1, 5])
def test_a_loaded_format_predicts_what_the_network_does(
    network: "keras.Model", exported: Path, form: str, rows: int
) -> None:
    made = bundle.load(exported, form)(INPUTS[:rows])

    assert made == pytest.approx(network.predict(INPUTS[:rows], verbose=0), abs=1e-6)
    assert isinstance(made, np.ndarray)


def test_the_largest_difference_of_all_formats_is_returned(tmp_path: Path) -> None:
    scored = np.zeros((3, 2), np.float32)
    reload = answering(keras=scored + 0.25, saved_model=scored - np.array([0, 0.5], np.float32))

    assert bundle.check_parity(reload, tmp_path, ("keras", "saved_model"), INPUTS, scored, tolerance=0.5) == 0.5
    assert bundle.check_parity(reload, tmp_path, ("keras",), INPUTS, scored, tolerance=0.5) == 0.25


@pytest.mark.parametrize(
    "predicted",
    [
        np.array([[0, 0], [0, 0.6]], np.float32),
        np.array([[0, 0], [0, -0.6]], np.float32),
        np.array([[0, 0], [0, np.nan]], np.float32),
        np.array([[0, 0], [0, np.inf]], np.float32),
        np.zeros((2, 1), np.float32),  # would broadcast
        np.zeros((1, 2), np.float32),
    ],
    ids=["above", "below", "nan", "inf", "columns", "rows"],
)
def test_one_format_that_differs_is_refused_by_name(tmp_path: Path, predicted: np.ndarray) -> None:
    scored = np.zeros((2, 2), np.float32)
    reload = answering(saved_model=scored, keras=predicted)

    with pytest.raises(ParityError, match=r"the exported keras model differs from the scored one by .*than 0\.5"):
        bundle.check_parity(reload, tmp_path, ("saved_model", "keras"), INPUTS, scored, tolerance=0.5)


@pytest.mark.slow
def test_a_format_that_cannot_be_reloaded_is_refused(exported: Path, tmp_path: Path) -> None:
    """A real fresh process, and a truncated file in it."""
    whole = (exported / "model.keras").read_bytes()
    (tmp_path / "model.keras").write_bytes(whole[: len(whole) // 2])

    refused = pytest.raises(ParityError, match=r"could not be reloaded in a fresh process \(exit 1\)")
    with refused as caught, bundle.fresh_process() as reload:
        bundle.check_parity(reload, tmp_path, ("keras",), INPUTS, np.zeros((5, 2), np.float32), tolerance=1.0)

    assert len(str(caught.value).splitlines()) == 1
    assert os.listdir(tmp_path) == ["model.keras"]  # noqa: PTH208  # nothing is left in the bundle


@pytest.mark.parametrize("texts", [["a", "", "ä\x00\n", "b" * 10_000], ["\u2028"]])
def test_texts_reach_the_fresh_process_as_they_are(tmp_path: Path, texts: list[str]) -> None:
    bundle.write_inputs(np.array(texts, object), tmp_path)

    read = bundle.read_inputs(tmp_path)

    assert (read.dtype, read.tolist()) == (np.dtype(object), texts)


def test_numbers_reach_the_fresh_process_as_they_are(tmp_path: Path) -> None:
    bundle.write_inputs(INPUTS, tmp_path)

    assert bundle.read_inputs(tmp_path).tobytes() == INPUTS.tobytes()


def test_few_long_texts_are_shown_at_a_time() -> None:
    shown: list[int] = []

    def predict(texts: np.ndarray) -> np.ndarray:
        shown.append(len(texts))
        return np.zeros((len(texts), 2))

    bundle.predict_in_blocks(predict)(np.array(["a"] * 2000, object))
    bundle.predict_in_blocks(predict)(np.array(["a" * (1 << 20)] * 10, object))

    assert shown == [1024, 976, 4, 4, 2]
