"""What class texts are of: rows of tables, files, and what is typed."""

import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from gristmill.domains.common.prediction import PredictionRequest
from gristmill.domains.text import predict as prediction
from gristmill.domains.text.predict import PREDICTION
from gristmill.domains.text.settings import Ingest
from gristmill.errors import DataError, RequestError
from gristmill.export.loaded_bundle import LoadedBundle
from gristmill.project.project import Project
from gristmill.settings.domain import Options
from gristmill.sources.tables.csv import Csv
from gristmill.sources.tables.jsonl import Jsonl
from gristmill.sources.tables.parquet import Parquet
from gristmill.sources.texts.folder import Folder
from gristmill.sources.texts.inline import Inline
from helpers.small_judged_texts import CLASSES, TESTED, Folders, probabilities, texts_of
from helpers.support import heard, said

pytest_plugins = ["helpers.small_judged_texts"]

Ask = Callable[..., pd.DataFrame]

CSV = Csv(kind="csv", path="x.csv")
FOLDER = Folder(kind="folder", path="x", parts=True)


@pytest.fixture
def ask(bundled: Folders) -> Ask:
    """Return a function that predicts from files, or from a text."""

    def call(*paths: Path, source: Any = CSV, ingest: Ingest | None = None, text: str | None = None) -> pd.DataFrame:
        bundle, tables = LoadedBundle(bundled["export"]), {"ingest": ingest or Ingest()}
        return PREDICTION.predict(PredictionRequest(bundle, source, tables, Options(), paths=paths, text=text))

    return call


@pytest.fixture
def table(tmp_path: Path) -> pd.DataFrame:
    return pd.DataFrame({"text": texts_of(TESTED, 2), "label": ["good", "bad", "fair"] * (TESTED // 3)})


def write(path: Path, frame: pd.DataFrame) -> Path:
    if path.suffix == ".parquet":
        frame.to_parquet(path)
    elif path.suffix == ".jsonl":
        path.write_text("".join(json.dumps(row) + "\n" for row in frame.to_dict("records")))
    else:
        frame.to_csv(path, index=False)
    return path


@pytest.mark.parametrize(
    ("name", "source", "first"),
    [
        ("x.csv", CSV, 2),
        ("x.jsonl", Jsonl(kind="jsonl", path="x.jsonl"), 1),
        ("x.parquet", Parquet(kind="parquet", path="x.parquet"), 1),
    ],
)
@pytest.mark.parametrize("columns", [["text", "label"], ["text"]])
def test_each_row_gets_the_scored_probabilities_with_labels_and_without(
    ask: Ask,
    bundled: Folders,
    table: pd.DataFrame,
    tmp_path: Path,
    name: str,
    source: Any,
    first: int,
    columns: list[str],
) -> None:
    made = ask(write(tmp_path / name, table[columns]), source=source)

    expected = probabilities(bundled)
    assert made.columns.tolist() == ["id", "predicted", "probability", "p_bad", "p_fair", "p_good"]
    assert made["id"].tolist() == [str(first + row) for row in range(TESTED)]
    assert made[["p_bad", "p_fair", "p_good"]].to_numpy() == pytest.approx(expected, abs=1e-5)
    assert made["probability"].to_numpy() == pytest.approx(expected.max(axis=1), abs=1e-5)
    assert made["predicted"].tolist() == [CLASSES[at] for at in expected.argmax(axis=1)]


def test_rows_of_several_files_are_told_apart(ask: Ask, table: pd.DataFrame, tmp_path: Path) -> None:
    files = [write(tmp_path / name, table[:2]) for name in ("a.csv", "b.csv")]

    assert ask(*files)["id"].tolist() == ["a.csv 2", "a.csv 3", "b.csv 2", "b.csv 3"]


def test_a_source_of_no_files_answers_for_itself(ask: Ask, bundled: Folders) -> None:
    source = Inline(kind="inline", texts=tuple(texts_of(TESTED, 2)), labels=("bad",) * TESTED)

    made = ask(source=source)

    assert made["p_bad"].to_numpy() == pytest.approx(probabilities(bundled)[:, 0], abs=1e-5)


def test_each_plain_file_is_a_text_whatever_its_folders_are_called(ask: Ask, bundled: Folders, tmp_path: Path) -> None:
    first, second, *_ = texts_of(TESTED, 2)
    (tmp_path / "a.txt").write_text(first)
    (tmp_path / "b.txt.gz").write_bytes(gzip.compress(second.encode()))
    paths = [tmp_path / "a.txt", tmp_path / "b.txt.gz"]

    made = ask(*paths, source=FOLDER)

    assert made.columns.tolist() == ["file", "predicted", "probability", "p_bad", "p_fair", "p_good"]
    assert made["file"].tolist() == [str(path) for path in paths]
    assert made["p_bad"].to_numpy() == pytest.approx(probabilities(bundled)[:2, 0], abs=1e-5)


def test_a_text_that_is_typed_gets_one_row(ask: Ask, bundled: Folders) -> None:
    made = ask(text=texts_of(TESTED, 2)[3])

    assert made.columns.tolist() == ["predicted", "probability", "p_bad", "p_fair", "p_good"]
    assert made["p_bad"].tolist() == pytest.approx([probabilities(bundled)[3, 0]], abs=1e-5)


def test_texts_of_which_the_model_knows_nothing_are_counted_in_the_log(
    ask: Ask, table: pd.DataFrame, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    table.loc[[1, 5, 6], "text"] = ["zzz unheard", "?!", "zzz film"]

    with heard(caplog):
        ask(write(tmp_path / "x.csv", table))

    assert said(caplog) == ["2 of 12 texts contain no known token; ignore their predictions"]


@pytest.mark.parametrize("text", ["", " \n"])
def test_an_empty_text_that_is_typed_is_refused(ask: Ask, text: str) -> None:
    with pytest.raises(RequestError) as refused:
        ask(text=text)

    assert str(refused.value) == "--text is empty. Give a text to classify."


def test_batches_are_put_together_in_the_order_of_the_rows(
    ask: Ask, table: pd.DataFrame, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = ask(write(tmp_path / "x.csv", table))
    monkeypatch.setattr(prediction, "_BATCH_SIZE", 5)  # 12 rows: 5, 5 and 2

    pd.testing.assert_frame_equal(ask(tmp_path / "x.csv"), whole, rtol=1e-5)


def test_an_empty_text_is_refused_with_its_row(ask: Ask, table: pd.DataFrame, tmp_path: Path) -> None:
    table.loc[[4, 6], "text"] = ["", "  "]

    with pytest.raises(DataError) as refused:
        ask(write(tmp_path / "x.csv", table))

    assert str(refused.value) == (
        f"{tmp_path}/x.csv row 6: column 'text' is empty (2 of 12 rows have no text). Fill it, or leave the row out."
    )


def test_a_table_of_no_texts_is_refused(ask: Ask, table: pd.DataFrame, tmp_path: Path) -> None:
    with pytest.raises(DataError) as refused:
        ask(write(tmp_path / "x.csv", table.assign(text=" ")), ingest=Ingest(missing="drop"))

    assert str(refused.value) == f"{tmp_path}/x.csv: each of the 12 rows has no text. Fill them."


def test_an_empty_text_where_such_are_dropped_keeps_its_row_without_a_label(
    ask: Ask, table: pd.DataFrame, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    whole = ask(write(tmp_path / "x.csv", table))
    table.loc[4, "text"] = ""

    with heard(caplog):
        made = ask(write(tmp_path / "x.csv", table), ingest=Ingest(missing="drop"))

    assert made["id"].tolist() == whole["id"].tolist()
    assert made.loc[4, ["predicted", "probability", "p_bad"]].isna().all()
    pd.testing.assert_frame_equal(made.drop(index=4), whole.drop(index=4), rtol=1e-5)
    assert said(caplog) == ["1 of 12 rows have no text and get no label"]


def test_a_text_longer_than_allowed_is_refused(ask: Ask, table: pd.DataFrame, tmp_path: Path) -> None:
    table.loc[7, "text"] = "film " * 3000

    with pytest.raises(DataError) as refused:
        ask(write(tmp_path / "x.csv", table), ingest=Ingest(max_characters=9000))

    assert str(refused.value) == (
        f"{tmp_path}/x.csv row 9: column 'text' has 15,000 characters, more than ingest.max_characters = 9,000 "
        "(1 such text). Shorten it."
    )


def test_a_label_that_the_model_does_not_know_is_refused_with_its_row(
    ask: Ask, table: pd.DataFrame, tmp_path: Path
) -> None:
    table.loc[[2, 5], "label"] = ["god", ""]

    with pytest.raises(DataError) as refused:
        ask(write(tmp_path / "x.csv", table))

    assert str(refused.value) == (
        f"{tmp_path}/x.csv row 4, column 'label': unknown label 'god'. Did you mean 'good'? Known: bad, fair, good. "
        "1 such row. The model cannot predict it: correct it, or leave the column out."
    )


@pytest.mark.parametrize("name", ["x.csv", "x.parquet", "x.jsonl"])
def test_labels_that_the_settings_name_are_known(ask: Ask, table: pd.DataFrame, tmp_path: Path, name: str) -> None:
    numbered = table.assign(label=np.arange(TESTED) % 3)
    sources = {".csv": CSV, ".parquet": Parquet(kind="parquet", path="x"), ".jsonl": Jsonl(kind="jsonl", path="x")}
    source = sources[Path(name).suffix]
    file = write(tmp_path / name, numbered)

    made = ask(file, source=source, ingest=Ingest(names=dict(zip("012", CLASSES, strict=True))))

    assert len(made) == TESTED
    with pytest.raises(DataError, match="column 'label': unknown label '2'"):
        ask(file, source=source, ingest=Ingest(names={"0": "bad", "1": "fair"}))


def test_the_column_of_texts_must_be_there(ask: Ask, table: pd.DataFrame, tmp_path: Path) -> None:
    with pytest.raises(DataError) as refused:
        ask(write(tmp_path / "x.csv", table), ingest=Ingest(text="body"))

    assert str(refused.value) == f"{tmp_path}/x.csv: no column 'body'. Columns: 'text', 'label'."


def test_a_text_and_a_file_are_not_both_taken(tmp_path: Path) -> None:
    (tmp_path / "pipelines.toml").write_text("")

    with pytest.raises(RequestError) as refused:
        Project.open(tmp_path).predict("reviews", "x.csv", text="fine")

    assert str(refused.value) == "--text: cannot be combined with --input. Use one of them."
