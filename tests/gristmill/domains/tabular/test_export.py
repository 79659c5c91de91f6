"""A bundle holds the network that was scored, in each format, and one that is not is refused."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np
import pandas as pd
import pytest

from gristmill.domains.common.classification.decision import Decision
from gristmill.domains.tabular import dataset
from gristmill.domains.tabular.encoder import RowModel, predict_target
from gristmill.domains.tabular.export import export, unusual_rows, write_formats
from gristmill.domains.tabular.settings import Export, Ingest
from gristmill.errors import ParityError
from gristmill.export import bundle
from gristmill.export.formats import LABELLED
from gristmill.sources.tables.csv import Csv
from gristmill.training import saved_network
from gristmill.util.table_io import read_document, read_table, write_table
from helpers.small_tables import of_table
from helpers.support import KIT

pytest_plugins = ["helpers.end_to_end"]

Folders = dict[str, Path]
Attempt = Callable[[float], Path]


@pytest.fixture
def attempt(line: Folders, tmp_path: Path, parity_here: None) -> Attempt:
    """Return a function that changes one scored prediction by so much and exports into a folder."""

    def call(change: float) -> Path:
        tampered, out = tmp_path / "evaluate", tmp_path / "export"
        shutil.copytree(line["evaluate"], tampered)
        out.mkdir()
        predictions = read_table(tampered / "predictions.parquet")
        predictions.loc[predictions.index[-1], "model"] += change
        write_table(tampered / "predictions.parquet", predictions)
        stages = {"preprocess": line["preprocess"], "train": line["train"], "evaluate": tampered}
        export(export=Export(formats=("keras",)), **stages, out=out)
        return out

    return call


def test_a_bundle_says_what_its_model_takes_and_gives(mixed: Folders) -> None:
    names = {path.name for path in mixed["export"].iterdir()}
    assert names == {"model.keras", "saved_model", "scores.json", "signature.json", *KIT}
    signature = read_document(mixed["export"] / "signature.json")
    numbers, categories = signature["inputs"]["numbers"], signature["inputs"]["categories"]
    assert (numbers["dtype"], numbers["shape"]) == ("float32", [None, 2])
    assert numbers["columns"] == ["area", "rooms of it"]
    assert (categories["dtype"], categories["shape"], categories["columns"]) == ("string", [None, 1], ["part"])
    assert signature["names"] == {"part": ["Köln", "Ulm"]}
    assert signature["output"]["columns"] == ["price"]
    assert signature["formats"] == ["saved_model", "keras"]


def test_a_model_of_numbers_alone_has_one_input(line: Folders) -> None:
    assert list(read_document(line["export"] / "signature.json")["inputs"]) == ["numbers"]


def test_scores_are_those_of_evaluate_with_the_parity(mixed: Folders) -> None:
    scores = read_document(mixed["export"] / "scores.json")
    assert 0 <= scores.pop("parity") <= 1e-4 * dataset.read(mixed["preprocess"]).truth.std()
    assert scores == read_document(mixed["evaluate"] / "scores.json")


@pytest.mark.parametrize("run", ["mixed", "line"])
@pytest.mark.parametrize("form", ["saved_model", "keras"])
def test_each_format_predicts_from_raw_values_what_was_scored(
    run: str, form: str, request: pytest.FixtureRequest
) -> None:
    folders: Folders = request.getfixturevalue(run)
    data, scored = dataset.read(folders["preprocess"]), read_table(folders["evaluate"] / "predictions.parquet")

    made = bundle.load(folders["export"], form)(data.inputs)

    assert made[:, 0] == pytest.approx(scored["model"], abs=1e-4 * data.truth.std())


def test_the_saved_model_is_called_by_the_names_of_its_inputs(mixed: Folders) -> None:
    """As another program would, which knows nothing but the signature."""
    import tensorflow as tf

    model = tf.saved_model.load(mixed["export"] / "saved_model")
    numbers, categories = tf.constant([[100.0, 3.0]] * 2), tf.constant([["Ulm"], ["nowhere"]])
    (made,) = model.signatures["serving_default"](numbers=numbers, categories=categories).values()

    assert made.shape == (2, 1)
    assert np.isfinite(made.numpy()).all()


@pytest.mark.slow
def test_a_row_of_the_file_as_json_gets_the_scored_answer(
    classes: Folders, of_flights: tuple[Csv, Ingest, Path]
) -> None:
    """As another program would send it, which knows nothing but the signature; an empty number is NaN."""
    import tensorflow as tf

    taken = read_document(classes["export"] / "signature.json")["inputs"]
    scored = read_table(classes["evaluate"] / "predictions.parquet").query("part == 'test'")
    lines = pd.read_csv(of_flights[2], dtype={"code": "str"}, keep_default_na=False).to_dict("records")
    model = tf.saved_model.load(classes["export"] / "saved_model").signatures["serving_default"]
    for row, *expected in scored[["id", "p_delayed", "p_diverted", "p_on time"]].to_numpy().tolist():
        sent = json.loads(json.dumps(lines[int(row) - 2]))  # below the header, which is row 1
        cells = {
            role: [[float(sent[name] or "nan") if role == "numbers" else sent[name] for name in one["columns"]]]
            for role, one in taken.items()
        }
        made = model(**{role: tf.constant(given) for role, given in cells.items()})
        assert made["probabilities"].numpy()[0] == pytest.approx(expected, abs=1e-5)
        names = made["classes"].numpy()[0].tolist()
        assert names == [b"delayed", b"diverted", b"on time"]
        assert made["label"].numpy().tolist() == [names[int(np.argmax(expected))]]


@pytest.mark.slow
def test_the_label_is_decided_by_the_threshold_and_proved(classes: Folders, parity_here: None, tmp_path: Path) -> None:
    network, inputs = saved_network.read(classes["train"]), dataset.read(classes["preprocess"]).inputs
    first = keras.ops.sum(network(network.input)[:, :2], axis=1, keepdims=True)
    of_two = keras.Model(network.input, keras.ops.concatenate([first, 1 - first], axis=1))
    scored = predict_target(of_two, inputs)
    decision = Decision(threshold=float(np.sort(scored[:, 1])[2:4].mean()))

    write_formats(RowModel(of_two), ["late", "on time"], decision, ["saved_model"], tmp_path)

    loaded = bundle.load(tmp_path, LABELLED)(inputs)
    assert loaded[:, 2].tolist() == decision.labels(scored).tolist()
    assert len(set(loaded[:, 2])) == 2
    with bundle.fresh_process() as reload:
        bundle.check_parity(reload, tmp_path, ["saved_model"], inputs, scored, 1e-4, decision.labels)
        with pytest.raises(ParityError, match=r"saved_model model gives other labels than its probabilities decide"):
            bundle.check_parity(reload, tmp_path, ["saved_model"], inputs, scored, 1e-4, Decision(0.999).labels)


@pytest.mark.slow
def test_columns_that_the_model_does_not_read_are_not_asked_for(classes: Folders) -> None:
    signature = read_document(classes["export"] / "signature.json")
    columns = {role: one["columns"] for role, one in signature["inputs"].items()}
    assert columns == {"numbers": ["late"], "categories": ["gate"], "dates": ["day"], "texts": ["note"]}
    assert signature["classes"] == signature["output"]["columns"] == ["delayed", "diverted", "on time"]


@pytest.mark.slow
def test_a_fresh_process_predicts_the_same(mixed: Folders, tmp_path: Path) -> None:
    export(
        export=Export(formats=("saved_model",)),
        **{stage: mixed[stage] for stage in ("preprocess", "train", "evaluate")},
        out=tmp_path,
    )
    assert json.loads((tmp_path / "scores.json").read_text())["parity"] < 1e-2


@pytest.mark.filterwarnings("error")
def test_many_columns_are_one_frame_without_a_warning_of_pandas() -> None:
    table = pd.DataFrame({f"x{at}": [0.0, 1.0] for at in range(120)} | {"y": [0.0, 1.0]})
    data = of_table(table, ["train", "test"], [*table][:-1], [], "y")
    assert unusual_rows(data).shape == (3, 120)


@pytest.mark.slow
def test_a_model_that_treats_empty_cells_in_another_way_is_refused(
    classes: Folders, parity_here: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No row of the test set has an empty cell; the proof has rows of its own for that."""
    data = dataset.read(classes["preprocess"])
    empty, unknown, late = (row.tolist() for row in unusual_rows(data))
    assert np.isnan(empty[0]).all()
    assert [cells.tolist() for cells in empty[1:]] == [[""], [""], [""]]
    assert unknown[1].tolist() == ["(unknown)"]
    assert late[2].tolist() == ["2024-06-28T23:30+05:30"]

    def write(model: RowModel, *rest: object) -> None:
        network = model.network
        gate = network.input["categories"]
        changed = network(network.input) + 0.5 * keras.ops.cast(keras.ops.equal(gate, ""), "float32")
        write_formats(RowModel(keras.Model(network.input, changed)), *rest)

    monkeypatch.setattr("gristmill.domains.tabular.export.write_formats", write)
    monkeypatch.setattr("gristmill.domains.tabular.export._MAX_ROWS_COMPARED", 1)
    stages = {stage: classes[stage] for stage in ("preprocess", "train", "evaluate")}
    with pytest.raises(ParityError, match=r"differs from the scored one by 0\.5"):
        export(export=Export(formats=("keras",)), **stages, out=tmp_path)


def test_what_was_scored_may_be_exported(attempt: Attempt) -> None:
    assert (attempt(0.0) / "signature.json").exists()


def test_predictions_that_are_not_the_networks_are_refused(attempt: Attempt, tmp_path: Path) -> None:
    with pytest.raises(ParityError, match=r"the network to export gives other predictions .*--refresh evaluate"):
        attempt(0.01)
    assert list((tmp_path / "export").iterdir()) == []
