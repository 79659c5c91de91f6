"""Forecasts of a network from raw windows, their intervals, and the table in which they are kept."""

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pandas as pd
import pytest

from gristmill.domains.timeseries import forecasts
from gristmill.domains.timeseries.export import _MAX_PARITY_WINDOWS
from gristmill.domains.timeseries.forecasts import (
    PREDICTIONS,
    WINDOWS_PER_CALL,
    Forecasts,
    as_rows,
    blocks_of_series,
    by_network,
    forecast_part,
    prediction_columns,
    read_first_predictions,
    read_first_series,
    read_forecast,
    read_predictions,
    read_quantiles,
    write_forecast,
)
from gristmill.scores import MODEL
from gristmill.training.saved_network import BATCH_ROWS
from gristmill.util.table_io import write_tables
from helpers.small_runs import assembled

RANDOM = np.random.default_rng(0)
TABLES = [RANDOM.normal(50, 9, size=(length, 3)) for length in (60, 40)]
DATA = assembled(*TABLES, inputs=1, history=5, horizon=2, validation=10, test=10, starts=[0, 20])
STARTS = DATA.origins("test")


def network(outputs: int = 2) -> keras.Model:
    """Return a network whose output (step, number) is the last value plus 10 x step + number."""
    window = keras.Input((5, 3))
    last = keras.layers.Flatten()(window[:, -1:, :1])
    offsets = np.array([[10.0 * step + number for number in range(outputs)] for step in range(2)])
    return keras.Model(window, keras.ops.expand_dims(last, -1) + keras.ops.expand_dims(offsets, 0))


NETWORK = network()


def test_a_network_forecasts_from_raw_windows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(forecasts, "WINDOWS_PER_CALL", 7)
    made = by_network(NETWORK, DATA, STARTS)

    assert made.dtype == np.float64
    assert made.shape == (18, 2, 2)
    last = DATA.values[STARTS - 1, 0]
    assert made == pytest.approx(last[:, np.newaxis, np.newaxis] + [[0, 1], [10, 11]], rel=1e-6)


def test_no_window_gives_no_forecast() -> None:
    assert by_network(NETWORK, DATA, STARTS[:0]).shape == (0, 2, 2)


def test_the_forecast_of_a_part_stands_beside_what_came() -> None:
    made = forecast_part(DATA, "test", NETWORK, None)

    assert np.array_equal(made.starts, STARTS)
    assert np.array_equal(made.truth, DATA.targets(STARTS))
    assert list(made.by_name) == [MODEL]
    assert made.quantiles_of(MODEL) is made.learned is None
    assert made.levels == ()


def test_of_learned_quantiles_the_median_is_the_forecast() -> None:
    made = forecast_part(DATA, "test", network(6), [0.05, 0.5, 0.95])

    last = DATA.values[STARTS - 1, 0, np.newaxis]
    quantiles = made.quantiles_of(MODEL)
    assert quantiles is not None
    assert made.levels == (0.05, 0.5, 0.95)
    for found, first in zip(np.moveaxis(quantiles, -1, 0), ([0, 3], [1, 4], [2, 5]), strict=True):
        assert found.shape == (18, 2, 2)
        assert found[:, 0] == pytest.approx(last + first, rel=1e-6)  # (windows, targets) of the first step
        assert found[:, 1] == pytest.approx(last + first + 10, rel=1e-6)
    assert np.array_equal(made.by_name[MODEL], quantiles[..., 1])


def test_a_network_that_is_used_once_gives_the_same() -> None:
    assert by_network(NETWORK, DATA, STARTS, once=True) == pytest.approx(by_network(NETWORK, DATA, STARTS))


def test_kept_forecasts_are_read_bit_by_bit(tmp_path: Path) -> None:
    made = RANDOM.normal(size=(7, 2, 3))

    write_forecast(made, tmp_path / "forecast.parquet")

    assert np.array_equal(read_forecast(tmp_path / "forecast.parquet", made.shape), made)


def test_the_table_has_a_row_a_window_step_and_target() -> None:
    made = forecast_part(DATA, "test", NETWORK, None)
    quantiles = np.stack([made.truth - 2, made.by_name[MODEL], made.truth + 2], axis=-1)
    by_name = made.by_name | {"naive": made.truth - 1}
    made = Forecasts(made.starts, made.truth, by_name, (0.05, 0.5, 0.95), quantiles)

    table = as_rows(DATA, made, part="test", window=3)

    assert table.columns.tolist() == [
        "part", "window", "unique_id", "channel", "ds", "step", "y", "model", "naive",
        "quantile 0.05", "quantile 0.5", "quantile 0.95",
    ]  # fmt: skip
    levels, read = read_quantiles(table, made.truth.shape)
    assert levels == made.levels
    assert np.array_equal(read, quantiles)
    assert read_quantiles(table.assign(**{"quantile 0.05": np.nan})[["y", "quantile 0.05"]], (3,)) == ((), None)
    table = table.rename(columns={"quantile 0.05": "low", "quantile 0.95": "high"})
    assert len(table) == 18 * 2 * 2
    rows: Any = table.itertuples(index=False)
    for window, start in enumerate(STARTS):
        for step in (1, 2):
            for target, channel in enumerate(("y", "y1")):
                row = next(rows)
                at = start + step - 1
                assert (row.part, row.window, row.step, row.channel) == ("test", 3, step, channel)
                assert row.unique_id == ("series 0" if start < 60 else "series 1")
                assert row.ds == DATA.times[at]
                assert row.y == DATA.values[at, target]
                assert row.model == made.by_name[MODEL][window, step - 1, target]
                assert (row.low, row.high, row.naive) == (row.y - 2, row.y + 2, row.y - 1)


def test_predictions_are_written_in_blocks_and_read_by_part_and_series(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gristmill.domains.timeseries.forecasts.WINDOWS_PER_CALL", 5)
    test, validation = (forecast_part(DATA, part, NETWORK, None) for part in ("test", "validation"))
    quantiles = test.truth[..., np.newaxis] + [-2.0, 0.0, 2.0]
    by_name = test.by_name | {"naive": test.truth - 1}
    test = Forecasts(test.starts, test.truth, by_name, (0.1, 0.5, 0.9), quantiles)

    columns = prediction_columns(DATA, [validation, test])
    parts = {"validation": validation, "test": test}
    rows = (as_rows(DATA, some, part=part) for part, made in parts.items() for some in made.blocks())
    write_tables(tmp_path / PREDICTIONS, (each.reindex(columns=columns) for each in rows))

    whole = read_predictions(tmp_path, "test")
    pd.testing.assert_frame_equal(whole, as_rows(DATA, test, part="test"))
    first = whole[whole["unique_id"] == "series 0"]
    pd.testing.assert_frame_equal(read_first_series(tmp_path, "test"), first)
    assert read_first_predictions(tmp_path, "test", 3, [MODEL]).equals(whole[[MODEL]].head(3))
    before = read_predictions(tmp_path, "validation")
    assert len(before) == validation.truth.size
    assert before[["naive", "quantile 0.1", "quantile 0.9"]].isna().all(axis=None)


@pytest.mark.parametrize("most", [1, 5, 9, 10, 1000])
def test_blocks_of_windows_hold_whole_series(most: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(forecasts, "WINDOWS_PER_CALL", most)

    blocks = blocks_of_series(DATA, STARTS)

    assert [at for block in blocks for at in range(len(STARTS))[block]] == [*range(18)]
    assert [len(set(DATA.series_of(STARTS[block]))) for block in blocks] == ([1, 1] if most < 10 else [2])


def test_blocks_are_whole_batches_so_that_networks_give_the_same_digits() -> None:
    """The last digit of a forecast may depend on the number of windows in its batch."""
    assert WINDOWS_PER_CALL % BATCH_ROWS == 0
    assert _MAX_PARITY_WINDOWS % BATCH_ROWS == 0
    assert _MAX_PARITY_WINDOWS <= WINDOWS_PER_CALL
