"""Logged rows of a table, compared with the training data."""

from pathlib import Path

import pandas as pd

from gristmill.domains.common.prediction import PredictionRequest
from gristmill.domains.tabular import dataset
from gristmill.domains.tabular.monitoring import live_rows
from gristmill.domains.tabular.predict import PREDICTION
from gristmill.domains.tabular.settings import Ingest, PredictOptions
from gristmill.export.loaded_bundle import LoadedBundle
from gristmill.monitoring.live_rows import score_table
from gristmill.monitoring.prediction_columns import ANSWERED, ID, RUN, TRUTH, VERSION
from gristmill.runs.retraining_record import Champion
from gristmill.sources.tables.csv import Csv


def test_empty_cells_of_a_category_are_no_drift_and_a_group(
    classes: dict[str, Path], of_flights: tuple[Csv, Ingest, Path]
) -> None:
    source, meaning, file = of_flights
    known = dataset.read(classes["preprocess"])
    bundle = LoadedBundle(classes["export"])
    answer = PREDICTION.predict(
        PredictionRequest(bundle, source, {"ingest": meaning}, PredictOptions(), paths=(file,))
    )[known.parts == "train"]
    ids = answer.index.astype(str)
    own = {ID: ids, RUN: "run", VERSION: 1, ANSWERED: pd.Timestamp("2026-01-01", tz="UTC")}
    log = answer.rename(columns={"predicted": "state"}).assign(**own)
    truth = pd.DataFrame({ID: ids, TRUTH: known.table["state"][answer.index].to_numpy()})

    live = live_rows(log, truth, Champion(classes, {"ingest": meaning}), "run")

    (gate,) = (sign for sign in live.drift.inputs if sign.name == "gate")
    assert gate.statistic == 0
    groups = score_table(live, "accuracy").set_index(["by", "group"])["predicted"]
    assert groups["gate", ""] == answer["gate"].isna().sum() > 0
