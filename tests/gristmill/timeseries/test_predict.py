"""Forecasts of what comes after a file's last row."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from gristmill import bundle
from gristmill.errors import DataError
from gristmill.sources.csv import Csv
from gristmill.timeseries.predict import predict
from gristmill.timeseries.settings import Ingest

pytest_plugins = ["small_runs"]
pytestmark = pytest.mark.slow  # the bundle is exported first

Folders = dict[str, Path]

RECENT = [f"{month:%Y-%m}" for month in pd.date_range("1990-03-01", periods=15, freq="MS")]  # the last is 1991-05
VALUES = np.random.default_rng(0).uniform(10, 90, size=15).round(1)


def forecast(
    exported: Folders, tmp_path: Path, rows: list[str], steps: int | None = None, gaps: str = "error"
) -> pd.DataFrame:
    """Predict from a file of these rows."""
    path, scratch = tmp_path / "recent.csv", tmp_path / "scratch"
    scratch.mkdir(exist_ok=True)
    path.write_text("\n".join(["month,sunspots", *rows]) + "\n")
    meaning = Ingest.model_validate({"time": "month", "target": "sunspots", "gaps": gaps})
    source = Csv(kind="csv", path="series.csv")
    return predict(source=source, settings=meaning, path=path, export=exported["export"], scratch=scratch, steps=steps)


def rows_of(months: list[str]) -> list[str]:
    """Return lines of the file."""
    return [f"{month},{value}" for month, value in zip(months, VALUES, strict=False)]


def test_the_horizon_after_the_last_row_is_forecast(exported: Folders, tmp_path: Path) -> None:
    made = forecast(exported, tmp_path, rows_of(RECENT))

    assert made.columns.tolist() == ["ds", "forecast"]
    assert made["ds"].tolist() == [pd.Timestamp("1991-06-01"), pd.Timestamp("1991-07-01")]
    expected = bundle.load(exported["export"], "keras")(VALUES[np.newaxis, -12:].astype(np.float32))
    assert made["forecast"].to_numpy() == pytest.approx(expected[0], rel=1e-5)


def test_beyond_the_horizon_forecasts_are_fed_back(exported: Folders, tmp_path: Path) -> None:
    network = bundle.load(exported["export"], "keras")
    known = VALUES.astype(np.float32).tolist()
    for _ in range(3):  # two at a time
        known += network(np.array([known[-12:]], np.float32))[0].tolist()

    made = forecast(exported, tmp_path, rows_of(RECENT), steps=5)

    assert made["ds"].tolist() == pd.date_range("1991-06-01", periods=5, freq="MS").tolist()
    assert made["forecast"].to_numpy() == pytest.approx(known[15:20], rel=1e-4)


def test_fewer_steps_than_the_horizon_are_its_first(exported: Folders, tmp_path: Path) -> None:
    one = forecast(exported, tmp_path, rows_of(RECENT), steps=1)
    both = forecast(exported, tmp_path, rows_of(RECENT))

    assert len(one) == 1
    assert one.iloc[0].tolist() == both.iloc[0].tolist()


def test_only_the_last_values_count(exported: Folders, tmp_path: Path) -> None:
    whole, recent = rows_of(RECENT), rows_of(RECENT)[-12:]

    assert forecast(exported, tmp_path, whole).equals(forecast(exported, tmp_path, recent))
    assert not forecast(exported, tmp_path, [*whole[:-1], f"{RECENT[-1]},999"]).equals(
        forecast(exported, tmp_path, recent)
    )


def test_rows_out_of_order_are_put_in_order(exported: Folders, tmp_path: Path) -> None:
    rows = rows_of(RECENT)

    assert forecast(exported, tmp_path, rows[::-1]).equals(forecast(exported, tmp_path, rows))


def test_a_file_shorter_than_the_history_is_refused(exported: Folders, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"recent\.csv: 11 rows, but the model sees 12\."):
        forecast(exported, tmp_path, rows_of(RECENT)[:11])


def test_a_file_of_another_frequency_is_refused(exported: Folders, tmp_path: Path) -> None:
    days = [f"{day:%Y-%m-%d}" for day in pd.date_range("2020-01-01", periods=15)]

    with pytest.raises(DataError, match="row 3: 2020-01-02 00:00:00 is not on the grid of frequency MS"):
        forecast(exported, tmp_path, rows_of(days))


def test_gaps_are_treated_as_the_settings_say(exported: Folders, tmp_path: Path) -> None:
    rows = rows_of(RECENT)
    del rows[7]

    with pytest.raises(DataError, match="1 of 15 values are missing at frequency MS, the first at 1990-10-01"):
        forecast(exported, tmp_path, rows)
    assert forecast(exported, tmp_path, rows, gaps="interpolate")["ds"].iloc[0] == pd.Timestamp("1991-06-01")
