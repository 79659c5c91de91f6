"""Baselines are fitted on what lies before a part, see nothing later, and repeat the published figures."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from gristmill.domains.timeseries.data.dataset import Prepared
from gristmill.domains.timeseries.data.windows import target_index
from gristmill.domains.timeseries.models.classical import Autoregression, Ets
from gristmill.domains.timeseries.models.naive import Differencing, MovingAverage, Naive, SeasonalNaive
from gristmill.domains.timeseries.part_forecasts import baseline_forecasts
from gristmill.domains.timeseries.scores.metrics import absolute_error, squared_error
from gristmill.domains.timeseries.settings import BASELINES
from helpers.course_series import main_series
from helpers.small_runs import assembled

SUNSPOTS = Path(__file__).parents[5] / "shared/data/sunspots.csv"

RANDOM = np.random.default_rng(0)
TABLES = [RANDOM.normal(50, 9, size=(length, 3)) for length in (60, 40)]
CUT: dict[str, Any] = {
    "inputs": 1, "history": 5, "horizon": 2, "validation": 10, "test": 10, "season": 4, "starts": [0, 20],
}  # fmt: skip
DATA = assembled(*TABLES, **CUT)


def truncated(data: Prepared, part: str) -> Prepared:
    """Return the series as they were when a part began, plus its first window."""
    lengths = data.part(part)[:, 0] - data.bounds[:, 0] + data.layout.horizon
    tables = [table[:length] for table, length in zip(TABLES, lengths, strict=True)]
    return assembled(*tables, **CUT | {"validation": 0, "test": data.layout.horizon})


@pytest.mark.parametrize("part", ["validation", "test"])
def test_baselines_are_fitted_on_everything_before_the_part(part: str) -> None:
    """Each forecasts the first window as it would have if the series had ended there."""
    made, then = baseline_forecasts(DATA, part, BASELINES), truncated(DATA, part)

    expected = baseline_forecasts(then, "test", BASELINES)

    assert list(made) == list(expected) == [baseline.kind for baseline in BASELINES]
    starts = DATA.origins(part)
    firsts = [int(np.flatnonzero(starts == begin)[0]) for begin in DATA.part(part)[:, 0]]
    for name, forecast in made.items():
        assert forecast.shape == (len(starts), 2, 2)
        assert forecast[firsts] == pytest.approx(expected[name], rel=1e-5), name


def test_forecasts_are_those_of_each_series_and_channel_by_hand() -> None:
    starts, values = DATA.origins("test"), DATA.values.astype(np.float64)
    chosen = (Naive(kind="naive"), MovingAverage(kind="moving_average"), SeasonalNaive(kind="seasonal_naive"))

    made = baseline_forecasts(DATA, "test", chosen)

    for row, start in enumerate(starts):
        for channel in (0, 1):
            past = values[:start, channel]
            assert made["naive"][row, :, channel] == pytest.approx([past[-1]] * 2)
            assert made["moving_average"][row, :, channel] == pytest.approx([past[-3:].mean()] * 2, rel=1e-6)
            assert made["seasonal_naive"][row, :, channel] == pytest.approx(past[-4:-2])


@pytest.mark.parametrize("part", ["validation", "test"])
def test_no_baseline_of_a_part_changes_with_what_comes_after_its_windows(part: str) -> None:
    begin = int(DATA.part(part)[1, 0])  # of the second series, which is the last
    changed = assembled(*TABLES, **CUT)
    changed.values[begin:] = 1e4

    before, after = (baseline_forecasts(data, part, BASELINES) for data in (DATA, changed))

    first = int(np.flatnonzero(DATA.origins(part) == begin)[0])
    for name in before:
        assert np.array_equal(after[name][: first + 1], before[name][: first + 1]), name
        assert not np.array_equal(after[name][first + 1 :], before[name][first + 1 :]), name


def test_a_baseline_that_the_past_is_too_short_for_is_left_out_of_that_part() -> None:
    """The longest series has 40 observations before the validation set and 50 before the test set."""
    long = (Naive(kind="naive"), MovingAverage(kind="moving_average", length=50))

    assert list(baseline_forecasts(DATA, "validation", long)) == ["naive"]
    assert list(baseline_forecasts(DATA, "test", long)) == ["naive", "moving_average"]
    without_season = assembled(*TABLES, **CUT | {"season": 0})
    assert "seasonal_naive" not in baseline_forecasts(without_season, "test", BASELINES)


def test_a_short_series_is_forecast_from_what_there_is() -> None:
    """The second series has three observations before the test set."""
    data = assembled(np.arange(60.0), np.array([5.0, 7.0, 9.0, 0.0, 0.0]), history=1, test=2, starts=[0, 55])

    made = baseline_forecasts(data, "test", (MovingAverage(kind="moving_average", length=10),))["moving_average"]

    assert data.series_of(data.origins("test"))[2] == 1
    assert made[2, 0, 0] == pytest.approx(np.mean([5.0] * 8 + [7.0, 9.0]))  # the first value, repeated backwards


def test_the_second_of_a_kind_has_a_number() -> None:
    averages = [MovingAverage(kind="moving_average", length=length) for length in (2, 99, 9)]

    made = baseline_forecasts(DATA, "test", [*averages, Naive(kind="naive")])

    assert list(made) == ["moving_average", "moving_average-3", "naive"]  # the second is too long for the data


@pytest.mark.parametrize(
    ("baseline", "squared", "absolute"),
    [
        (Naive(kind="naive"), 61.828, 5.938),
        (MovingAverage(kind="moving_average", length=30), 106.675, 7.142),
        (Differencing(kind="differencing", season=365, length=50), 52.974, 5.839),
        (Differencing(kind="differencing", season=365, length=50, smooth=10), 33.452, 4.569),
    ],
    ids=["naive", "moving average", "differencing", "smooth differencing"],
)
def test_figures_of_the_course_series_come_out(baseline: Any, squared: float, absolute: float) -> None:
    series = main_series()

    truth, made = one_step_ahead(series, 1000, baseline)

    assert squared_error(truth, made).mean() == pytest.approx(squared, abs=6e-4)
    assert absolute_error(truth, made).mean() == pytest.approx(absolute, abs=6e-4)


@pytest.mark.shared_data
@pytest.mark.parametrize(
    ("baseline", "absolute", "digits"),
    [
        (Naive(kind="naive"), 16.136, 3),
        (MovingAverage(kind="moving_average"), 15.910, 3),
        (Autoregression(kind="autoregression", order=10), 14.54, 2),
        (Autoregression(kind="autoregression", order=11), 14.46, 2),
    ],
    ids=["naive", "moving average", "ten lags", "eleven lags"],
)
def test_figures_of_the_sunspots_come_out(baseline: Any, absolute: float, digits: int) -> None:
    """Monthly sunspots: 3,000 months known, 235 forecast one step ahead."""
    series = pd.read_csv(SUNSPOTS)["Monthly Mean Total Sunspot Number"].to_numpy(np.float64)

    error = absolute_error(*one_step_ahead(series, 3000, baseline)).mean()
    assert error == pytest.approx(absolute, abs=0.6 * 10**-digits)


def one_step_ahead(series: Any, known: int, baseline: Any) -> tuple[Any, Any]:
    """Return the values after the known ones and their forecasts, each made one step ahead."""
    data = assembled(series, history=1, test=len(series) - known)
    made = baseline_forecasts(data, "test", (baseline,))[baseline.kind]
    return series[target_index(data.origins("test"), 1)], made[:, :, 0]


def test_a_random_walk_is_smoothed_to_its_last_value_and_noise_to_its_mean() -> None:
    noise = np.random.default_rng(0).normal(size=501)
    for series, expected in ((noise.cumsum(), noise[:500].sum()), (noise, noise[:500].mean())):
        _, made = one_step_ahead(series, 500, Ets(kind="ets"))
        assert made[0, 0] == pytest.approx(expected, abs=0.3)
