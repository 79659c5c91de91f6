"""Scores of the model and the baselines, computed from the written predictions, and importance of the features."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
import pytest

from gristmill.domains.common.classification.settings import Evaluate
from gristmill.domains.tabular import dataset
from gristmill.domains.tabular.encoder import RowModel, predict_target
from gristmill.domains.tabular.evaluate import importance_of_columns
from gristmill.domains.tabular.models.linear import Logistic, Quadratic
from gristmill.domains.tabular.models.mean import Majority
from gristmill.domains.tabular.report import sections
from gristmill.domains.tabular.settings import Ingest, Preprocess, Train
from gristmill.scores import Scores
from gristmill.sources.tables.csv import Csv
from gristmill.sources.tables.inline import Inline
from gristmill.training import saved_network
from gristmill.util.table_io import read_document, read_table

Folders = dict[str, Path]

NAMES = ["model", "mean", "least_squares"]


@pytest.mark.slow
def test_predictions_have_a_row_a_row_of_the_table_and_a_column_a_model(mixed: Folders) -> None:
    data, predictions = dataset.read(mixed["preprocess"]), read_table(mixed["evaluate"] / "predictions.parquet")

    assert predictions.columns.tolist() == ["row", "part", "y", *NAMES]
    assert predictions["row"].tolist() == [str(row) for row in range(2, 62)]  # of the file
    assert predictions["part"].tolist() == data.parts.tolist()
    assert predictions["y"].tolist() == data.table["price"].tolist()
    assert predictions["model"].tolist() == predict_target(saved_network.read(mixed["train"]), data.inputs).tolist()


def test_scores_are_those_of_the_predictions_that_are_written(mixed: Folders) -> None:
    scores, predictions = (
        read_document(mixed["evaluate"] / "scores.json"),
        read_table(mixed["evaluate"] / "predictions.parquet"),
    )

    assert list(scores["baselines"]) == NAMES[1:]
    for name in NAMES:
        by_part = scores["model"] if name == "model" else scores["baselines"][name]
        assert list(by_part) == ["train", "validation", "test"]
        for part, values in by_part.items():
            rows = predictions[predictions["part"] == part]
            errors = (rows["y"] - rows[name]).tolist()
            assert values == {
                "mae": pytest.approx(sum(map(abs, errors)) / len(errors)),
                "rmse": pytest.approx((sum(error**2 for error in errors) / len(errors)) ** 0.5),
                "r2": pytest.approx(1 - np.mean(np.square(errors)) / rows["y"].var(ddof=0)),
            }


def test_the_headline_sets_the_model_beside_the_baseline_of_the_lowest_error(mixed: Folders) -> None:
    scores = read_document(mixed["evaluate"] / "scores.json")

    assert scores["best_baseline"] == "least_squares"
    assert scores["shown"] == ["mae", "rmse", "r2"]
    assert scores["headline"] == {
        "metric": "mae",
        "model": scores["model"]["test"]["mae"],
        "baseline": scores["baselines"]["least_squares"]["test"]["mae"],
    }


@pytest.mark.slow
def test_a_part_that_is_not_there_has_no_scores_and_a_single_row_no_share_explained(line: Folders) -> None:
    scores = read_document(line["evaluate"] / "scores.json")

    assert list(scores["model"]) == ["train", "test"]
    assert scores["model"]["test"]["r2"] is None
    assert scores["baselines"]["least_squares"]["test"]["mae"] == pytest.approx(0, abs=1e-5)
    assert scores["baselines"]["mean"]["test"]["mae"] == pytest.approx(17)


def test_every_column_is_weighed_on_the_test_rows(mixed: Folders) -> None:
    found = read_document(mixed["evaluate"] / "importance.json")

    assert (found["part"], found["metric"], found["examples"]) == ("test", "mae", 14)
    assert {feature["feature"] for feature in found["features"]} == {"area", "rooms of it", "part"}
    assert found["features"][0]["feature"] == "area"  # which counts for most of the price
    assert found["error"] == read_document(mixed["evaluate"] / "scores.json")["model"]["test"]["mae"]


def test_a_rise_is_that_of_the_rows_with_another_s_value(mixed: Folders) -> None:
    data, model = dataset.read(mixed["preprocess"]), RowModel.read(mixed["train"])
    found = importance_of_columns(data, model)
    assert found
    rows = data.table[data.parts == "test"]
    random, columns = np.random.default_rng(0), ["area", "rooms of it", "part"]
    orders = {column: [random.permutation(len(rows)) for _ in range(5)] for column in columns}

    for feature in found["features"]:
        errors = []
        for order in orders[feature["feature"]]:
            moved = rows.copy()
            for row, other in enumerate(order):
                moved.iloc[row, moved.columns.get_loc(feature["feature"])] = rows[feature["feature"]].iloc[other]
            made = model.predict(data.layout.inputs(moved))
            errors.append(np.abs(made - rows["price"].to_numpy()).mean())
        assert feature["rise"] == pytest.approx(np.mean(errors) - found["error"])
        assert feature["low"] <= feature["rise"] <= feature["high"]


def test_all_shuffles_of_a_column_are_one_prediction(mixed: Folders, monkeypatch: pytest.MonkeyPatch) -> None:
    data, model = dataset.read(mixed["preprocess"]), RowModel.read(mixed["train"])
    predicted = list[int]()

    def count(model: RowModel, inputs: Any) -> Any:
        predicted.append(len(inputs))
        return predict_target(model.network, inputs)

    monkeypatch.setattr(RowModel, "predict", count)
    monkeypatch.setattr("gristmill.domains.tabular.evaluate._MAX_ROWS_SHUFFLED", 30)
    found = importance_of_columns(data, model)
    assert found
    assert found["examples"] == 10  # of 14 test rows, with three columns
    assert predicted == [10, 50, 50, 50]


def test_a_column_may_have_any_name(mixed: Folders) -> None:
    data, model = dataset.read(mixed["preprocess"]), RowModel.read(mixed["train"])
    named = {"area": "self", "rooms of it": "order"}
    layout = replace(data.layout, numbers=[named.get(name, name) for name in data.layout.numbers])

    found = importance_of_columns(replace(data, table=data.table.rename(columns=named), layout=layout), model)

    assert found
    assert {feature["feature"] for feature in found["features"]} == {"self", "order", "part"}


@pytest.mark.slow
def test_a_model_that_is_a_baseline_has_its_threshold(run_on: Callable[..., Folders]) -> None:
    random = np.random.default_rng(1)  # with 0.18 on all folds, and 0.5 on the validation set alone
    x = random.normal(size=200).round(3)
    source = Inline(kind="inline", x=tuple(x), y=tuple((x + random.normal(size=200) > 1.5).astype(float)))
    meaning = Ingest(target="y", task="classification", numbers=("x",))
    how = Preprocess(validation=20, test=60), Logistic(kind="logistic"), Train()

    made = run_on(source, meaning, *how, judged=Evaluate(threshold="f1"), exported=False)

    scores = read_document(made["evaluate"] / "scores.json")
    assert scores["model"] == scores["baselines"]["logistic"]
    assert scores["headline"]["model"] == scores["headline"]["baseline"]


@pytest.mark.slow
def test_texts_have_an_importance_but_no_partial_dependence(run_on: Callable[..., Folders], tmp_path: Path) -> None:
    file = tmp_path / "films.csv"
    days, films = np.resize(["warm day", "cold day", "long night"], 40), np.resize(["good film", "bad film"], 40)
    pd.DataFrame({"day": days, "film": films, "liked": np.resize(["yes", "no"], 40)}).to_csv(file, index=False)
    meaning = Ingest(target="liked", task="classification", texts=("day", "film"))
    how = Preprocess(validation=8, test=8), Majority(kind="majority"), Train()

    made = run_on(Csv(kind="csv", path="films.csv"), meaning, *how, (file,), exported=False)

    importance = read_document(made["evaluate"] / "importance.json")
    assert {feature["feature"] for feature in importance["features"]} == {"day", "film"}
    assert not (made["evaluate"] / "partial_dependence.parquet").exists()
    assert "Importance of the features" in [section.title for section in sections(made)]


@pytest.mark.slow
@pytest.mark.parametrize("task", ["regression", "classification"])
def test_a_perfect_score_names_the_column_that_gives_the_target_away(
    run_on: Callable[..., Folders], tmp_path: Path, task: Literal["regression", "classification"]
) -> None:
    random, file = np.random.default_rng(0), tmp_path / "flats.csv"
    table = pd.DataFrame({"area": random.normal(size=90), "price_eur": random.integers(-1, 2, 90)})
    table.assign(y=table["price_eur"] ** 2).to_csv(file, index=False)
    meaning = Ingest(target="y", task=task, numbers=("area", "price_eur"))
    how = Preprocess(), Quadratic(kind="quadratic"), Train()

    made = run_on(Csv(kind="csv", path="flats.csv"), meaning, *how, (file,), exported=False)

    (warning,) = Scores.read(made["evaluate"]).warnings
    assert warning.startswith("an accuracy of 1 on" if task == "classification" else "an R² of 1.00000 on the test set")
    assert "check that column 'price_eur', on which the model relies most, is known when you predict" in warning
    assert f"Warning: {warning}." in next(iter(sections(made))).note


@pytest.mark.slow
@pytest.mark.parametrize("is_leak", [True, False])
def test_a_leak_that_the_logistic_baseline_finds_too_is_warned_of(
    run_on: Callable[..., Folders], tmp_path: Path, is_leak: bool
) -> None:
    random, file = np.random.default_rng(0), tmp_path / "flats.csv"
    sold = np.repeat([0, 1], 60)
    table = pd.DataFrame({"area": random.normal(size=120), "deed": sold + random.normal(0, 0.01, 120)})
    if not is_leak:  # two columns that are both easy
        table = pd.DataFrame({name: 9 * sold + random.normal(size=120) for name in ("area", "rooms")})
    table.assign(sold=np.where(sold, "yes", "no")).to_csv(file, index=False)
    meaning = Ingest(target="sold", task="classification", numbers=tuple(table))
    how = Preprocess(), Logistic(kind="logistic"), Train()

    made = run_on(Csv(kind="csv", path="flats.csv"), meaning, *how, (file,), exported=False)

    scores = Scores.read(made["evaluate"])
    assert scores.model["test"]["accuracy"] == scores.baselines["logistic"]["test"]["accuracy"] == 1
    if is_leak:
        assert "one feature only, is suspiciously high: check that column 'deed'" in scores.warnings[0]
    else:
        assert not scores.warnings


@pytest.mark.slow
def test_a_single_column_is_not_weighed(line: Folders) -> None:
    assert not (line["evaluate"] / "importance.json").exists()
    assert "Importance of the features" not in [section.title for section in sections(line)]


@pytest.mark.slow
def test_the_report_tells_what_it_means_and_where_it_misleads(mixed: Folders) -> None:
    (section,) = (section for section in sections(mixed) if section.title == "Importance of the features")

    assert "correlated" in section.note
    assert "on the test set" in section.note
    assert section.tables[0].headings == ["feature", "rise of MAE", "95% interval", "of the MAE"]
    assert section.tables[0].rows[0][0] == "area"
