"""Rows are predicted by the bundle as they were by the network that was scored."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from gristmill.domains.common.prediction import PredictionRequest
from gristmill.domains.tabular.predict import PREDICTION
from gristmill.domains.tabular.settings import Ingest, PredictOptions
from gristmill.export.loaded_bundle import LoadedBundle
from gristmill.sources.tables.csv import Csv
from gristmill.sources.tables.inline import Inline
from gristmill.util.table_io import read_table

Folders = dict[str, Path]
Ask = Callable[..., pd.DataFrame]


@pytest.fixture
def ask(mixed: Folders, of_houses: tuple[Csv, Ingest, Path], tmp_path: Path) -> Ask:
    """Return a function that predicts the prices of rows, or of the houses of the run."""
    source, meaning, houses = of_houses

    def call(rows: str | None = None) -> pd.DataFrame:
        file = tmp_path / "rows.csv"
        file.write_text(rows or houses.read_text())
        return PREDICTION.predict(
            PredictionRequest(
                LoadedBundle(mixed["export"]), source, {"ingest": meaning}, PredictOptions(), paths=(file,)
            )
        )

    return call


def test_the_rows_of_a_run_are_predicted_as_they_were_scored(mixed: Folders, ask: Ask) -> None:
    made = ask()

    assert made.columns.tolist() == ["area", "rooms of it", "part", "predicted"]
    scored = read_table(mixed["evaluate"] / "predictions.parquet")["model"]
    assert made["predicted"].to_numpy() == pytest.approx(scored.to_numpy(), rel=1e-5)
    assert made["part"].tolist() == read_table(mixed["ingest"] / "table.parquet")["part"].tolist()


def test_rows_need_no_target_and_may_hold_a_name_that_is_new(ask: Ask) -> None:
    made = ask("part,area,rooms of it\nUlm,100,3\nBonn,100,3\nKöln,100,3\n")
    assert np.isfinite(made["predicted"]).all()
    assert made["predicted"].nunique() >= 2


def test_rows_with_an_empty_cell_are_predicted(ask: Ask) -> None:
    made = ask("part,area,rooms of it\nUlm,,3\nKöln,100,3\n,100,3\nKöln,100,3\n")
    assert made["part"].fillna("").tolist() == ["Ulm", "Köln", "", "Köln"]
    assert made["area"].fillna(0).tolist() == [0, 100, 100, 100]
    alone = ask("part,area,rooms of it\nKöln,100,3\n")
    assert made["predicted"].iloc[[1, 3]].tolist() == [alone["predicted"].iloc[0]] * 2
    assert made["predicted"].nunique() >= 2


def test_classes_are_predicted_with_their_probabilities(
    classes: Folders, of_flights: tuple[Csv, Ingest, Path], tmp_path: Path
) -> None:
    source, meaning, _ = of_flights
    file = tmp_path / "rows.csv"
    file.write_text("note,gate,day,late\nclear sky,A,2024-06-05,60\nHeavy fog!,Z,2024-05-01,0\n,,,\n")
    made = PREDICTION.predict(
        PredictionRequest(LoadedBundle(classes["export"]), source, {"ingest": meaning}, PredictOptions(), paths=(file,))
    )
    names = ["late", "gate", "day", "note", "predicted", "probability", "p_delayed", "p_diverted", "p_on time"]
    assert made.columns.tolist() == names
    assert made["predicted"].tolist()[:2] == ["delayed", "diverted"]
    assert made[names[-3:]].sum(axis=1).to_numpy() == pytest.approx(1)
    assert made["probability"].tolist() == made[names[-3:]].max(axis=1).tolist()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("x", "y", "epochs", "low", "high"),
    [
        ((-1, 0, 1, 2, 3, 4, 10), (-3, -1, 1, 3, 5, 7, 19), 500, 18.97, 18.99),
        ((1, 2, 3, 4, 5, 6, 7), (1, 1.5, 2, 2.5, 3, 3.5, 4), 1000, 3.9997, 4.0123),
    ],
    ids=["hello line", "house prices"],
)
def test_the_courses_first_networks_predict_what_they_predict_in_the_course(
    run_on: Callable[..., Folders],
    course: Callable[..., tuple[Any, ...]],
    monkeypatch: pytest.MonkeyPatch,
    x: tuple[float, ...],
    y: tuple[float, ...],
    epochs: int,
    low: float,
    high: float,
) -> None:
    """Trained on all pairs but the last, from 18.9752 to 18.9878 by what the weights begin with; so the houses."""
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)  # most of what an epoch of one step takes
    source, (meaning, cut, *learning) = Inline(kind="inline", x=x, y=y), course(epochs)

    run = run_on(source, meaning, cut, *learning)

    made = PREDICTION.predict(
        PredictionRequest(LoadedBundle(run["export"]), source, {"ingest": meaning}, PredictOptions(), paths=())
    )
    assert made["x"].tolist() == list(x)
    assert low < made["predicted"].iloc[-1] < high
