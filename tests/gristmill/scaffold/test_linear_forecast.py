"""Whether more columns lower the error of a linear forecast."""

import numpy as np
import pandas as pd
import pytest

from gristmill.scaffold.covariates import LinearForecast

RANDOM = np.random.default_rng(5)
COUNT = 240


def table(target: np.ndarray, **columns: np.ndarray) -> pd.DataFrame:
    """Return one series as ingest writes it."""
    times = pd.date_range("2020-01-01", periods=len(target))
    return pd.DataFrame({"unique_id": "one", "ds": times, "y": target, **columns})


@pytest.fixture(scope="module")
def led() -> pd.DataFrame:
    """A series that follows another with a delay of one step."""
    leader = RANDOM.normal(size=COUNT)
    noise = RANDOM.normal(size=(2, COUNT))
    return table(np.roll(leader, 1) + 0.3 * noise[0], leader=leader, other=noise[1])


def test_a_column_that_leads_the_target_lowers_the_error_and_others_do_not(led: pd.DataFrame) -> None:
    forecast = LinearForecast(led, "y", 10, 1)

    assert forecast.gain(forecast.past("leader")) > 0.5
    assert forecast.gain(forecast.past("other")) < 0.02


def test_what_is_kept_lowers_the_error_once(led: pd.DataFrame) -> None:
    forecast = LinearForecast(led.assign(copy=led["leader"]), "y", 10, 1)
    forecast.keep(forecast.past("leader"))

    assert forecast.gain(forecast.past("copy")) < 0.02


def test_columns_known_ahead_are_read_at_the_time_to_forecast() -> None:
    flags = (RANDOM.random(COUNT) < 0.3).astype(float)
    forecast = LinearForecast(table(flags + 0.2 * RANDOM.normal(size=COUNT), flag=flags), "y", 10, 5)

    assert forecast.gain(forecast.ahead(flags[:, np.newaxis])) > 0.3
    assert forecast.gain(forecast.past("flag")) < 0.05


def test_a_window_lies_in_one_series() -> None:
    panel = pd.concat([table(np.arange(6.0)), table(np.arange(10.0)).assign(unique_id="two")], ignore_index=True)
    forecast = LinearForecast(panel, "y", 1, 2)

    assert len(forecast.past("y")[0]) == (6 - 2) + (10 - 2)


def test_of_few_rows_nothing_is_concluded(led: pd.DataFrame) -> None:
    forecast = LinearForecast(led[:50], "y", 10, 1)

    assert not forecast.is_usable
    assert forecast.gain(forecast.past("leader")) == 0
