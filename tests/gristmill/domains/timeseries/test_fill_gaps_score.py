"""How well holes are filled, measured on values that are known."""

import numpy as np
import pytest

from gristmill.domains.timeseries.fill_gaps_score import SERIES, score

SEASON = np.array([0.0, 9, 4, -6, -7, 1, 2])


def season(length: int) -> "np.ndarray[tuple[int], np.dtype[np.float64]]":
    return np.resize(SEASON, length)


def test_a_twentieth_is_hidden_and_every_way_scored() -> None:
    found = score(season(1000), np.zeros(1000, np.int64))
    assert found is not None
    assert found["hidden"] == pytest.approx(50, abs=5)
    assert found["mae"].keys() == {"interpolate", "forward_fill", "seasonal"}
    assert found["mae"]["seasonal"] < 0.5  # of what was hidden in the first season it knows nothing
    assert 3 < found["mae"]["interpolate"] < found["mae"]["forward_fill"] < 10


def test_a_line_is_filled_without_error_by_lines() -> None:
    found = score(np.arange(500.0), np.zeros(500, np.int64))
    assert found is not None
    assert found["mae"]["interpolate"] == pytest.approx(0, abs=1e-9)
    assert 1 <= found["mae"]["forward_fill"] <= 3  # the mean step of runs of one to five


def test_hidden_runs_are_as_long_as_the_real_ones() -> None:
    values = np.arange(2000.0)
    for start in range(100, 2000, 400):
        values[start : start + 9] = np.nan
    found = score(values, np.zeros(2000, np.int64))
    assert found is not None
    assert found["hidden"] % 9 == 0
    assert found["mae"]["forward_fill"] == pytest.approx(5)  # the mean of 1 to 9


def test_the_same_values_give_the_same_scores_and_are_left_as_they_are() -> None:
    values = season(300) + np.random.default_rng(0).normal(size=300)
    before, series = values.copy(), np.zeros(300, np.int64)
    assert score(values, series) == score(values, series)
    assert (values == before).all()


def test_runs_stay_within_a_series() -> None:
    series = np.repeat(np.arange(50), 10)
    found = score(100.0 * series, series)  # constant in each
    assert found is not None
    assert found["mae"] == {"interpolate": 0, "forward_fill": 0, "seasonal": 0}


def test_of_many_series_some_are_looked_at() -> None:
    series = np.repeat(np.arange(10 * SERIES), 20)
    found = score(np.arange(len(series), dtype=float), series)
    assert found is not None
    assert found["hidden"] == pytest.approx(0.05 * 20 * SERIES, abs=5)


@pytest.mark.parametrize("values", [[1.0], [1.0, 2.0], [1.0, np.nan, 2.0], [1.0, 2.0, np.nan, np.nan, 3.0, 4.0]])
def test_where_nothing_can_be_hidden_there_is_no_score(values: list[float]) -> None:
    assert score(np.array(values), np.zeros(len(values), np.int64)) is None
