"""What a forecast may use besides the past of its target."""

from typing import Any

import numpy as np
import pandas as pd
import pytest

from gristmill.domains.timeseries.settings import Preprocess
from gristmill.scaffold.covariates import Covariates, choose_covariates
from gristmill.scaffold.proposal import values_of

COUNT = 900
RANDOM = np.random.default_rng(3)
NOISE = RANDOM.normal(size=(4, COUNT))
DAYS = pd.date_range("2020-01-01", periods=COUNT)
HOLIDAY = (RANDOM.random(COUNT) < 0.2).astype(float)


def chosen(
    target: np.ndarray,
    columns: dict[str, np.ndarray] | None = None,
    ahead: tuple[str, ...] = (),
    times: Any = DAYS,
    history: int = 14,
) -> Covariates:
    """Return the covariates of one series."""
    columns = columns or {}
    table = pd.DataFrame({"unique_id": "one", "ds": times[: len(target)], "y": target, **columns})
    windows = Preprocess(history=history, horizon=7)
    return choose_covariates(table, "y", list(columns), ahead, windows, "D" if times is DAYS else "1")


def test_columns_that_lower_the_error_become_inputs_with_their_share() -> None:
    leader = np.convolve(NOISE[0], np.ones(20) / 4, "same")
    found = chosen(np.roll(leader, 7) + 0.2 * NOISE[1], {"leader": leader, "other": NOISE[2]})

    assert values_of(found.ingest) == {"inputs": ["leader"]}
    assert found.ingest[0].why.startswith("lowers the error of a linear forecast by ")
    assert found.names == {"leader"}
    assert found.unused["other"].endswith("name it in `ingest.inputs` to use it")


@pytest.mark.parametrize(("name", "ahead"), [("is_holiday", ()), ("planned price", ()), ("flag", ("flag",))])
def test_what_is_known_ahead_is_told_by_its_name_or_by_later_values(name: str, ahead: tuple[str, ...]) -> None:
    found = chosen(3 * HOLIDAY + NOISE[0], {name: HOLIDAY}, ahead)

    assert values_of(found.ingest) == {"known": [name]}


def test_other_flags_are_not_taken_for_known_ahead_but_said_to_help_if_they_are() -> None:
    found = chosen(3 * HOLIDAY + NOISE[0], {"promotion": HOLIDAY})

    assert found.ingest == []
    assert found.unused["promotion"].startswith("lowers the error of a linear forecast by ")
    assert found.unused["promotion"].endswith("if you know it ahead: then name it in `ingest.known`")


def test_an_input_that_helps_more_if_it_is_known_ahead_is_said_to() -> None:
    warmth = np.convolve(NOISE[0], np.ones(20) / 3, "same")
    found = chosen(warmth + NOISE[1], {"warmth": warmth})

    (guess,) = found.ingest
    assert (guess.key, guess.value) == ("inputs", ["warmth"])
    assert found.notes == [
        "'warmth' lowers the error more if you know it ahead: then move it from `ingest.inputs` to `ingest.known`."
    ]


def test_a_holiday_without_effect_is_left_out_with_the_place_to_name_it() -> None:
    found = chosen(NOISE[0], {"holiday": HOLIDAY})

    assert found.ingest == []
    assert found.unused["holiday"].endswith("name it in `ingest.known` to use it")


def test_a_yearly_season_gets_waves_and_a_weekend_its_week() -> None:
    year = 3 * np.sin(2 * np.pi * np.arange(COUNT) / 365.25)
    weekend = 2.0 * (DAYS.day_of_week >= 5)
    found = values_of(chosen(year + weekend + 0.5 * NOISE[0], history=7).preprocess)

    periods = [wave["period"] for wave in found["harmonics"]]
    assert "year" in periods
    assert "week" in periods or found["calendar"] == ["weekday"]


@pytest.mark.parametrize("times", [DAYS, np.arange(COUNT)], ids=["days", "numbers"])
def test_noise_and_numbered_observations_get_no_calendar(times: Any) -> None:
    assert chosen(NOISE[3], times=times).preprocess == []


def test_known_features_need_a_history_as_long_as_the_horizon() -> None:
    found = chosen(3 * HOLIDAY + NOISE[0], {"holiday": HOLIDAY}, history=5)

    assert found.preprocess == []
    assert "known" not in values_of(found.ingest)
