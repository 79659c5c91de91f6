"""The model's scores stand beside the baselines', each computed from the predictions that are written."""

from pathlib import Path

import numpy as np
import pytest

from gristmill.domains.tabular import dataset
from gristmill.domains.tabular.encoder import predict_target
from gristmill.training import saved_network
from gristmill.util.table_io import read_document, read_table

Folders = dict[str, Path]

NAMES = ["model", "mean", "least squares"]


def test_predictions_have_a_row_a_row_of_the_table_and_a_column_a_model(mixed: Folders) -> None:
    data, predictions = dataset.read(mixed["preprocess"]), read_table(mixed["evaluate"] / "predictions.parquet")

    assert predictions.columns.tolist() == ["row", "part", "y", *NAMES]
    assert predictions["row"].tolist() == list(range(60))
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

    assert scores["best_baseline"] == "least squares"
    assert scores["shown"] == ["mae", "rmse", "r2"]
    assert scores["headline"] == {
        "metric": "mae",
        "model": scores["model"]["test"]["mae"],
        "baseline": scores["baselines"]["least squares"]["test"]["mae"],
    }


def test_a_part_that_is_not_there_has_no_scores_and_a_single_row_no_share_explained(line: Folders) -> None:
    scores = read_document(line["evaluate"] / "scores.json")

    assert list(scores["model"]) == ["train", "test"]
    assert scores["model"]["test"]["r2"] is None
    assert scores["baselines"]["least squares"]["test"]["mae"] == pytest.approx(0, abs=1e-5)
    assert scores["baselines"]["mean"]["test"]["mae"] == pytest.approx(17)
