"""Tables with classes of one, two and three rows, from ingest to the report."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from pydantic import ValidationError

from gristmill.domains.common.classification.settings import Evaluate
from gristmill.domains.tabular import dataset, report
from gristmill.domains.tabular.ingest import ingest
from gristmill.domains.tabular.models.linear import Logistic
from gristmill.domains.tabular.preprocess import preprocess
from gristmill.domains.tabular.settings import Ingest, Preprocess, Schema, Train
from gristmill.errors import DataError
from gristmill.export.loaded_bundle import LoadedBundle
from gristmill.sources.tables.csv import Csv
from gristmill.util.table_io import read_document, read_table

from .conftest import Folders, run_stages

RANDOM = np.random.default_rng(0)
SIZE = RANDOM.uniform(20, 200, 60).round(1)
KIND = np.where(SIZE + RANDOM.normal(0, 9, 60) > 80, "house", "flat").astype(object)
KIND[[0, 59]], KIND[[7, 8]], KIND[[20, 30, 40]] = ["castle", "tent"], "hut", "barn"
FEW = "2 classes of the target 'kind' have fewer than 2 rows: 1 'castle', 1 'tent'"
CSV = Csv(kind="csv", path="homes.csv")
LAST = Preprocess(split="last")


def meaning(**settings: Any) -> Ingest:
    return Ingest.model_validate({"target": "kind", "task": "classification", "numbers": "size"} | settings)


def write_homes(folder: Path, **columns: Any) -> tuple[Path]:
    file = folder / "homes.csv"
    pd.DataFrame({"size": SIZE, "kind": KIND} | columns).to_csv(file, index=False)
    return (file,)


def split(
    folder: Path, cut: Preprocess, columns: Any = None, **settings: Any
) -> tuple[dataset.Prepared, dict[str, int]]:
    """Return the homes after ingest and preprocess, and the counts of ingest."""
    made, out = folder / "ingest", folder / "out"
    made.mkdir()
    out.mkdir()
    counts = ingest(source=CSV, ingest=meaning(**settings), out=made, paths=write_homes(folder, **(columns or {})))
    preprocess(preprocess=cut, ingest=made, out=out)
    return dataset.read(out), counts


@pytest.fixture(scope="module")
def homes(tmp_path_factory: pytest.TempPathFactory) -> Folders:
    folder = tmp_path_factory.mktemp("homes")
    judged, paths = Evaluate(coverage=0.8), write_homes(folder)
    return run_stages(folder, CSV, meaning(), Preprocess(), Logistic(kind="logistic"), Train(), paths, judged)


def test_all_classes_are_in_the_exported_model(homes: Folders) -> None:
    classes = ["barn", "castle", "flat", "house", "hut", "tent"]
    bundle = LoadedBundle(homes["export"])

    assert bundle.signature["classes"] == classes
    assert read_document(homes["ingest"] / "summary.json")["rare_classes"] == ["castle", "tent"]


def test_no_score_is_missing_without_a_word(homes: Folders) -> None:
    scores, table = read_document(homes["evaluate"] / "scores.json"), read_table(homes["evaluate"] / "scores.parquet")

    assert scores["warnings"] == ["no test example, and so no score, of 1 'castle', 1 'tent'"]
    whole = table[table["by"] == "all"].drop(columns=["coverage", "set_size"])  # which baselines do not have
    assert whole.notna().all(axis=None)
    tested = table[(table["by"] == "class") & (table["part"] == "test")]
    assert set(tested.loc[tested["f1"].isna(), "group"]) == set(tested.loc[tested["examples"] == 0, "group"])
    assert set(tested.loc[tested["examples"] == 0, "group"]) == {"castle", "tent"}


def test_the_report_shows_rare_classes_without_scores(homes: Folders) -> None:
    sections = {section.title: section for section in report.sections(homes)}
    rows = sections["Confusion matrix"].tables[0].rows

    assert [row[0] for row in rows if row[1:] == ["0", "–", "–", "–"]] == ["castle", "tent"]


def test_the_model_is_not_tried_on_its_only_example_of_a_class(homes: Folders) -> None:
    held_out = read_table(homes["train"] / "validation.parquet")

    assert not set(held_out["label"]) & {"castle", "tent", "hut"}  # the other hut is in the test set
    assert set(held_out["label"]) == {"barn", "flat", "house"}


@pytest.mark.parametrize(
    "cut", [Preprocess(), LAST, Preprocess(test=20, validation=20), Preprocess(group="owner")], ids=str
)
def test_rare_classes_are_in_the_training_set_of_any_split(tmp_path: Path, cut: Preprocess) -> None:
    owners = {"owner": np.arange(60) // 3}
    kinds = {"kind": np.where(KIND == "hut", "flat", np.where(KIND == "barn", "house", KIND))}
    data, _ = split(tmp_path, cut, owners | kinds, metadata="owner")

    assert {data.parts[data.names == str(row)].item() for row in (2, 61)} == {"train"}
    assert {"train", "validation", "test"} == set(data.parts)
    assert cut.group is None or pd.Series(data.parts).groupby(data.table["owner"]).nunique().max() == 1


def test_a_part_that_the_table_names_is_kept(tmp_path: Path) -> None:
    parts = np.where(np.arange(60) % 4 == 1, "Test", "")
    data, _ = split(tmp_path, Preprocess(), {"fold": parts}, part="fold", min_examples=4)

    assert set(data.parts[parts == "Test"]) == {"test"}
    assert set(data.parts[np.isin(KIND, ["castle", "tent", "hut", "barn"]) & (parts == "")]) == {"train"}


def test_dropped_rows_are_counted(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    data, counts = split(tmp_path, Preprocess(), min_examples=3, rare_classes="drop")

    assert counts == {"rows": 56, "of_dropped_classes": 4, "classes": 3}
    assert data.layout.classes == ["barn", "flat", "house"]
    assert "1 'castle', 2 'hut', 1 'tent'" in caplog.text


def test_a_dropped_class_need_not_be_in_the_schema(tmp_path: Path) -> None:
    paths, schema = (
        write_homes(tmp_path),
        Schema(file="homes.toml", classes={"barn": 1, "flat": 1, "house": 1, "hut": 1}),
    )
    ingest(source=CSV, ingest=meaning(rare_classes="drop"), out=tmp_path, paths=paths, schema=schema)

    assert read_document(tmp_path / "summary.json")["classes"] == ["barn", "flat", "house", "hut"]


@pytest.mark.parametrize(
    ("columns", "settings", "message"),
    [
        ({}, {"rare_classes": "error"}, f"""{FEW}. Add rows, merge classes, or set ingest.rare_classes = "keep" or"""),
        ({"kind": ["a", *"b" * 59]}, {}, "fewer than 2 rows: 1 'a'. A classifier needs at least two other classes"),
        ({"kind": ["a"] * 60}, {}, "all 60 rows are of one class of the target 'kind', 'a'"),
        ({"kind": SIZE}, {}, 'If the target is a number, set ingest.task = "regression". Add rows'),
    ],
)
def test_classes_that_cannot_be_told_apart_are_refused(
    tmp_path: Path, columns: dict[str, Any], settings: dict[str, Any], message: str
) -> None:
    with pytest.raises(DataError) as refused:
        split(tmp_path, Preprocess(), columns, **settings)

    assert message in str(refused.value)


@pytest.mark.parametrize("settings", [{"min_examples": 3}, {"rare_classes": "drop"}])
def test_numbers_have_no_rare_classes(settings: dict[str, Any]) -> None:
    with pytest.raises(ValidationError, match=f'no {next(iter(settings))}, which is for classes, or task = "classific'):
        meaning(task="regression", **settings)
