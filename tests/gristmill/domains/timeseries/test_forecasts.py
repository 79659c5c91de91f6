"""Forecasts of a network from raw windows, their intervals, and the table in which they are kept."""

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from gristmill.domains.timeseries import forecasts
from gristmill.domains.timeseries.forecasts import (
    Forecasts,
    as_rows,
    by_network,
    forecast_part,
    read_forecast,
    with_intervals,
    write_forecast,
)
from gristmill.domains.timeseries.intervals import Intervals
from gristmill.runs.scores import MODEL
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
    monkeypatch.setattr(forecasts, "_WINDOWS_PER_CALL", 7)
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
    assert made.low is made.high is None


def test_of_quantiles_the_median_is_the_forecast_and_the_outer_two_the_interval() -> None:
    made = forecast_part(DATA, "test", network(6), [0.05, 0.5, 0.95])

    last = DATA.values[STARTS - 1, 0, np.newaxis]
    for found, first in ((made.low, [0, 3]), (made.by_name[MODEL], [1, 4]), (made.high, [2, 5])):
        assert found is not None
        assert found.shape == (18, 2, 2)
        assert found[:, 0] == pytest.approx(last + first, rel=1e-6)  # (windows, targets) of the first step
        assert found[:, 1] == pytest.approx(last + first + 10, rel=1e-6)


def test_intervals_lie_around_the_models_forecast() -> None:
    plain = forecast_part(DATA, "test", NETWORK, None)
    intervals = Intervals(0.9, np.array([[1.0, 2.0], [3.0, 4.0]]), np.array([0.1, 0.1]), 10)

    made = with_intervals(plain, DATA, intervals)

    half = intervals.half_widths(DATA.histories(STARTS))
    assert made.high is not None
    assert made.low is not None
    assert made.high - plain.by_name[MODEL] == pytest.approx(half)
    assert plain.by_name[MODEL] - made.low == pytest.approx(half)


@pytest.mark.parametrize("eager", [True, False])
def test_an_eager_call_gives_the_same(eager: bool) -> None:
    assert by_network(NETWORK, DATA, STARTS, eager=eager) == pytest.approx(by_network(NETWORK, DATA, STARTS))


def test_kept_forecasts_are_read_bit_by_bit(tmp_path: Path) -> None:
    made = RANDOM.normal(size=(7, 2, 3))

    write_forecast(made, tmp_path / "forecast.parquet")

    assert np.array_equal(read_forecast(tmp_path / "forecast.parquet", made.shape), made)


def test_the_table_has_a_row_a_window_step_and_target() -> None:
    made = forecast_part(DATA, "test", NETWORK, None)
    made = Forecasts(made.starts, made.truth, made.by_name | {"naive": made.truth - 1}, made.truth - 2, made.truth + 2)

    table = as_rows(DATA, made, part="test", window=3)

    assert table.columns.tolist() == [
        "part", "window", "unique_id", "channel", "ds", "step", "y", "model", "low", "high", "naive",
    ]  # fmt: skip
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
