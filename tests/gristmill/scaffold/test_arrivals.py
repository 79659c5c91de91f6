"""The rules for arrivals that `init` proposes from a history."""

from typing import cast

import numpy as np
import pandas as pd

from gristmill.scaffold.arrivals import arrival_guesses


def proposed(table: pd.DataFrame, columns: list[str]) -> dict[str, object]:
    return {guess.key: guess.value for guess in arrival_guesses(table, columns)}


def daily(name: str, values: np.ndarray) -> pd.DataFrame:
    days = pd.date_range("2026-01-01", periods=len(values))
    return pd.DataFrame({"unique_id": name, "ds": days, "y": values, "filled": False})


def test_a_quiet_history_gets_the_defaults() -> None:
    quiet = daily("y", np.arange(100) % 7 * 1.0)
    assert proposed(quiet, ["y"]) == {
        "max_lost": 0.05,
        "max_revised": 0.1,
        "max_ahead": "1 day",
        "max_repeats": 4,
        "max_step": 3.0,
        "max_beyond": 1.0,
    }


def test_a_history_that_rises_gets_larger_limits() -> None:
    values = np.arange(100) % 7 * 1.0
    values[70:] *= 10  # the largest step of the second half is ten times that of the first
    assert proposed(daily("y", values), ["y"])["max_step"] == 15.0


def test_one_of_hundreds_of_series_does_not_decide() -> None:
    rng = np.random.default_rng(0)
    tables = [daily(f"s{number:03d}", rng.normal(size=100)) for number in range(250)]
    tables[0].loc[80, "y"] = 1e6
    limits = proposed(pd.concat(tables, ignore_index=True), ["y"])
    assert cast(float, limits["max_step"]) < 4
    assert "max_repeats" not in limits
