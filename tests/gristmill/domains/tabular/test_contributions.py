"""Contributions of columns to single predictions."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from gristmill.domains.common.prediction import PredictionRequest
from gristmill.domains.tabular.contributions import contributions, explanations, log_odds, typical_rows
from gristmill.domains.tabular.dataset import Inputs, Values, raw_inputs
from gristmill.domains.tabular.predict import PREDICTION
from gristmill.domains.tabular.settings import Ingest, PredictOptions
from gristmill.export.loaded_bundle import LoadedBundle
from gristmill.sources.tables.csv import Csv

COLUMNS = {"numbers": ["area", "rooms"], "categories": ["town"]}
WORTH = {"Ulm": 10.0, "Kiel": 40.0, "": 0.0}


def some(count: int, seed: int) -> Inputs:
    random = np.random.default_rng(seed)
    area, rooms, town = random.normal(80, 20, count), random.integers(1, 6, count), random.choice([*WORTH], count)
    return raw_inputs(pd.DataFrame({"area": area, "rooms": rooms, "town": town}), COLUMNS)


def terms(rows: Inputs) -> Values:
    """Return the terms of a sum, (rows, 3): of the area, of the rooms, of the town."""
    area, rooms = rows["numbers"].T.astype(np.float64)
    return np.stack([2 * area, -(rooms**2), np.array([WORTH[town] for town in rows["categories"][:, 0]])], axis=1)


def additive(rows: Inputs) -> Values:
    return terms(rows).sum(axis=1, keepdims=True)


def tangled(rows: Inputs) -> Values:
    """Return two outputs that are no sums of functions of single columns."""
    area, rooms, town = terms(rows).T
    return np.stack([np.maximum(area, 160) * town, np.sin(area + rooms)], axis=1)


def test_a_column_of_a_sum_contributes_its_term_minus_the_mean_term() -> None:
    rows, typical = some(20, seed=0), some(30, seed=1)

    base, found = contributions(additive, rows, typical)

    assert base == pytest.approx(additive(typical).mean())
    assert found[:, :, 0] == pytest.approx(terms(rows) - terms(typical).mean(axis=0))


def test_two_columns_share_their_product_equally() -> None:
    nothing, row = np.zeros((2, 2), np.float32), np.array([[3, 5]], np.float32)

    _, found = contributions(lambda rows: rows.prod(axis=1, keepdims=True), row, nothing)

    assert found[0, :, 0].tolist() == [7.5, 7.5]


@pytest.mark.parametrize("model", [additive, tangled])
def test_contributions_add_up_to_the_prediction(model: Callable[[Inputs], Values]) -> None:
    rows, typical = some(20, seed=0), some(30, seed=1)

    base, found = contributions(model, rows, typical)

    assert base + found.sum(axis=1) == pytest.approx(model(rows))


def test_an_average_of_models_has_the_average_of_their_contributions() -> None:
    rows, typical = some(20, seed=0), some(30, seed=1)

    def average(rows: Inputs) -> Values:
        return 0.3 * additive(rows) + 0.7 * tangled(rows)

    (_, one), (_, other), (_, both) = (contributions(it, rows, typical) for it in (additive, tangled, average))

    assert both == pytest.approx(0.3 * one + 0.7 * other)


def test_what_a_row_shares_with_training_rows_needs_no_predictions() -> None:
    typical, asked = some(30, seed=1), []

    def counted(rows: Inputs) -> Values:
        asked.append(len(rows))
        return tangled(rows)

    row = typical[:1].copy()
    contributions(counted, row, np.repeat(row, 30))

    assert sum(asked) == 31  # those of the rows themselves


def test_typical_rows_are_spread_like_all_rows() -> None:
    rows = np.arange(1_000, dtype=np.float32)[::-1, np.newaxis]

    typical = typical_rows(lambda rows: rows.astype(np.float64), rows)

    assert len(typical) == 100
    assert sorted(typical[:, 0].tolist()) == list(range(5, 1_000, 10))
    assert len(typical_rows(lambda rows: rows, rows[:7])) == 7


def test_log_odds_are_those_of_each_class_against_all_others() -> None:
    found = log_odds(np.array([[0.5, 0.3, 0.2], [1.0, 0.0, 0.0]]))

    assert found[0] == pytest.approx([0, np.log(3 / 7), np.log(0.25)])
    assert np.isfinite(found[1]).all()
    assert log_odds(np.array([[1.0, 1e-6]]))[0] == pytest.approx([np.log(1e6), -np.log(1e6)])  # float32 rounds to 1


def test_the_strongest_contributions_are_in_words() -> None:
    table = pd.DataFrame({"year": [1992.0, np.nan], "price": [2e6, 1 / 3], "note": ["a" * 50, ""], "x": ["u", "v"]})
    found = np.array([[[1.0, 0], [-250.0, 0], [30.0, 0], [0.5, 0]], [[0, 0.4], [0, 0.001], [0, -0.62], [0, 0]]])

    made = explanations(table, np.array([5.0, 6.0]), found, np.array([0, 1]))

    assert made.columns.tolist() == ["because", "base_value", *(f"contribution_{name}" for name in table)]
    assert made["because"].tolist() == [
        f"price 2000000 (-250); note {'a' * 39}… (+30); year 1992 (+1)",
        "no note (-0.620); no year (+0.400); price 0.333333 (+0.001)",
    ]
    assert made["base_value"].tolist() == [5.0, 6.0]
    assert made["contribution_note"].tolist() == [30.0, -0.62]


@pytest.mark.slow
def test_the_bundle_explains_what_it_predicts(mixed: dict[str, Path], of_houses: tuple[Csv, Ingest, Path]) -> None:
    source, ingest, file = of_houses

    bundle = LoadedBundle(mixed["export"])
    made = PREDICTION.predict(
        PredictionRequest(
            bundle,
            source,
            {"ingest": ingest},
            PredictOptions(explain=True),
            paths=(file,),
            trained_on=lambda: mixed["preprocess"],
        )
    )

    explained = made.filter(like="contribution_")
    assert explained.columns.tolist() == [f"contribution_{name}" for name in ("area", "rooms of it", "part")]
    assert (made["base_value"] + explained.sum(axis=1)).to_numpy() == pytest.approx(made["predicted"].to_numpy())
