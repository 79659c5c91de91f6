"""Scores by group equal a dumb loop over the values."""

import math
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from gristmill.domains.timeseries.data.dataset import Prepared
from gristmill.domains.timeseries.forecasts import Forecasts
from gristmill.domains.timeseries.intervals.quantiles import Intervals, LocalScale
from gristmill.domains.timeseries.models.naive import Naive, SeasonalNaive
from gristmill.domains.timeseries.part_forecasts import baseline_forecasts
from gristmill.domains.timeseries.scores.score_table import groupings, past_errors
from gristmill.scores import MODEL
from helpers.small_runs import assembled, scored

RANDOM = np.random.default_rng(0)
METRICS = ["mae", "rmse", "mse", "mape", "smape", "mase", "rmsse", "skill"]
OF_QUANTILES = ["pinball", "coverage", "width", "wql"]
LEVELS = (0.1, 0.5, 0.6, 0.9)


def many() -> Prepared:
    """Two series of two targets; the second begins later and is ten times as large."""
    first, second = RANDOM.normal(50, 9, size=(50, 2)), RANDOM.normal(500, 90, size=(30, 2))
    return assembled(first, second, history=4, horizon=3, test=12, starts=[0, 20])


def forecast(data: Prepared, quantiles: bool = True) -> Forecasts:
    """Return forecasts of the test set that are wrong at random; the naive one has calibrated quantiles."""
    starts = data.origins("test")
    truth = data.targets(starts).astype(np.float64)
    wrong = {name: truth + RANDOM.normal(size=truth.shape) for name in (MODEL, "naive", "drift")}
    if not quantiles:
        return Forecasts(starts, truth, wrong)
    _, horizon, targets = truth.shape
    factors = np.sort(RANDOM.normal(size=(horizon, targets, 4)), axis=-1)
    calibrated = Intervals(LEVELS, factors, np.ones(targets), 1, (False,) * targets, (False,) * targets, 9)
    learned = np.sort(wrong[MODEL][..., np.newaxis] + RANDOM.normal(size=(*truth.shape, 4)), axis=-1)
    local = LocalScale(RANDOM.uniform(1, 2, size=(len(starts), targets)), np.zeros(len(starts)))
    return Forecasts(starts, truth, wrong, LEVELS, learned, {"naive": calibrated}, local)


DATA = many()
MADE = forecast(DATA)


def cells(by: str, group: str) -> Iterator[tuple[int, int, int]]:
    """Yield the (window, step, target) of a group."""
    for window, start in enumerate(MADE.starts):
        for step in range(3):
            for target in range(2):
                belongs = {
                    "all": "",
                    "step": str(step + 1),
                    "channel": ["y", "y1"][target],
                    "series": "series 0" if start < 50 else "series 1",
                }
                if belongs[by] == group:
                    yield window, step, target


def naive_errors(window: int, target: int, season: int) -> list[float]:
    """Return the seasonal naive errors of a window's series before the test set, one by one."""
    first, begin = (0, 38) if MADE.starts[window] < 50 else (50, 68)
    past = [float(value) for value in DATA.values[first:begin, target]]
    return [past[at] - past[at - season] for at in range(season, len(past))]


def by_loop(by: str, group: str, name: str, season: int) -> dict[str, float]:
    """Return the metrics of a forecaster for a group, value by value."""
    absolute, squared, percentage, symmetric, scaled, squared_scaled, reference = ([] for _ in range(7))
    for cell in cells(by, group):
        truth, made = float(MADE.truth[cell]), float(MADE.by_name[name][cell])
        past = naive_errors(cell[0], cell[2], season)
        absolute.append(abs(truth - made))
        squared.append((truth - made) ** 2)
        percentage.append(100 * abs(truth - made) / abs(truth))
        symmetric.append(200 * abs(truth - made) / (abs(truth) + abs(made)))
        scaled.append(abs(truth - made) / (sum(map(abs, past)) / len(past)))
        squared_scaled.append((truth - made) ** 2 / (sum(error**2 for error in past) / len(past)))
        reference.append(abs(truth - float(MADE.by_name["naive"][cell])))

    def mean(values: list[float]) -> float:
        return sum(values) / len(values)

    return {
        "mae": mean(absolute),
        "rmse": math.sqrt(mean(squared)),
        "mse": mean(squared),
        "mape": mean(percentage),
        "smape": mean(symmetric),
        "mase": mean(scaled),
        "rmsse": math.sqrt(mean(squared_scaled)),
        "skill": 1 - mean(absolute) / mean(reference),
    }


@pytest.mark.parametrize("season", [None, 4])
def test_scores_equal_a_loop(season: int | None) -> None:
    table = scored(DATA.view(season=season), "test", MADE)

    assert table.columns.tolist() == ["part", "by", "group", "forecaster", "examples", *METRICS, *OF_QUANTILES]
    assert set(table["part"]) == {"test"}
    expected_groups = [("all", ""), ("step", "1"), ("step", "2"), ("step", "3"), ("channel", "y"), ("channel", "y1")]
    expected_groups += [("series", "series 0"), ("series", "series 1")]
    assert list(zip(table["by"], table["group"], table["forecaster"], strict=True)) == [
        (by, group, name) for by, group in expected_groups for name in (MODEL, "naive", "drift")
    ]
    for row in table.to_dict("records"):
        expected = by_loop(row["by"], row["group"], row["forecaster"], season or 1)
        assert {name: row[name] for name in METRICS} == pytest.approx(expected), (row["by"], row["group"])
        assert row["examples"] == len({window for window, _, _ in cells(row["by"], row["group"])})


def test_scores_of_quantiles_equal_a_loop() -> None:
    """Those of the model are learned, those of the naive forecast calibrated; drift has none."""
    table = scored(DATA, "test", MADE)

    assert table.loc[table["forecaster"] == "drift", OF_QUANTILES].isna().all(axis=None)
    for row in table[table["forecaster"] != "drift"].to_dict("records"):
        quantiles = MADE.quantiles_of(row["forecaster"])
        assert quantiles is not None
        covered, widths, losses, sizes = [], [], [], []
        for cell in cells(row["by"], row["group"]):
            truth, values = float(MADE.truth[cell]), quantiles[cell].tolist()
            covered.append(values[0] <= truth <= values[-1])
            widths.append(values[-1] - values[0])
            sizes.append(abs(truth))
            for value, level in zip(values, LEVELS, strict=True):
                losses.append(level * (truth - value) if truth >= value else (1 - level) * (value - truth))
        assert row["coverage"] == pytest.approx(sum(covered) / len(covered))
        assert row["width"] == pytest.approx(sum(widths) / len(widths))
        assert row["pinball"] == pytest.approx(sum(losses) / len(losses))
        assert row["wql"] == pytest.approx(2 * row["pinball"] / (sum(sizes) / len(sizes)))


def test_of_one_series_one_step_and_one_channel_there_is_one_group() -> None:
    data = assembled(RANDOM.normal(size=40), test=10)

    assert [(grouping.by, grouping.names) for grouping in groupings(data, forecast(data))] == [("all", [""])]


def test_groups_of_a_kind_share_out_all_values() -> None:
    for grouping in groupings(DATA, MADE):
        for cell in np.ndindex(MADE.truth.shape):
            alone = np.zeros(MADE.truth.shape)
            alone[cell] = 1
            assert sorted(grouping.sums(alone))[-2:] in ([1], [0, 1]), grouping.by


def test_without_quantiles_there_are_no_scores_of_them() -> None:
    assert set(OF_QUANTILES).isdisjoint(scored(DATA, "test", forecast(DATA, quantiles=False)))


def test_values_that_are_all_zero_have_no_weighted_quantile_loss() -> None:
    made = replace(MADE, truth=np.zeros_like(MADE.truth))

    row: Any = scored(DATA, "test", made).iloc[0]

    assert np.isnan(row["wql"])
    assert row["pinball"] > 0


def test_a_series_that_never_moved_has_no_scaled_error() -> None:
    flat = assembled(np.r_[np.full(30, 5.0), RANDOM.normal(size=10)], test=10)

    row: Any = scored(flat, "test", forecast(flat)).iloc[0]

    assert np.isnan(row["mase"])
    assert np.isnan(row["rmsse"])
    assert row["mae"] > 0


def test_a_season_longer_than_the_past_is_replaced_by_the_step_before() -> None:
    """The first series knows 38 values, the second 18."""
    absolute, _ = past_errors(DATA.view(season=20), "test", MADE)

    second = MADE.starts >= 50
    lagged = np.abs(DATA.values[20:38].astype(float) - DATA.values[0:18]).mean(axis=0)
    stepped = np.abs(np.diff(DATA.values[50:68].astype(float), axis=0)).mean(axis=0)
    assert absolute[~second] == pytest.approx(np.broadcast_to(lagged, absolute[~second].shape))
    assert absolute[second] == pytest.approx(np.broadcast_to(stepped, absolute[second].shape))


def test_a_large_series_does_not_cost_a_small_one_its_digits() -> None:
    small = RANDOM.normal(size=50)
    data = assembled(1e12 * RANDOM.normal(size=50), small, horizon=1, test=10)

    absolute, squared = past_errors(data, "test", forecast(data))

    steps = np.diff(small[:40].astype(np.float32).astype(float))
    assert absolute[-1] == pytest.approx(np.abs(steps).mean(), rel=1e-12)
    assert squared[-1] == pytest.approx(np.sqrt(np.square(steps).mean()), rel=1e-12)


def test_the_units_of_scaled_errors_come_from_before_the_part() -> None:
    values = DATA.values.copy()
    values[38:50] += 1000
    values[68:] += 1000

    before, after = (past_errors(data, "test", MADE) for data in (DATA, replace(DATA, values=values)))

    assert all(np.array_equal(*pair) for pair in zip(before, after, strict=True))


def test_values_of_a_series_without_a_past_to_scale_by_do_not_count_in_scaled_errors() -> None:
    """The second series begins with the test set: nothing is known of it before."""
    data = assembled(RANDOM.normal(size=40), RANDOM.normal(size=12), test=12, starts=[0, 28])
    made = forecast(data)
    first = made.starts < 40

    table = scored(data, "test", made).set_index(["by", "group", "forecaster"])

    unit = np.abs(np.diff(data.values[:28, 0].astype(float))).mean()
    expected = np.abs(made.truth - made.by_name[MODEL])[first].mean() / unit
    assert table.loc[("all", "", MODEL), "mase"] == pytest.approx(expected)
    assert table.loc[("series", "series 0", MODEL), "mase"] == pytest.approx(expected)
    assert np.isnan(table.loc[("series", "series 1", MODEL), "mase"])
    assert table.loc[("series", "series 1", MODEL), "mae"] > 0


def test_mase_of_series_split_per_series_is_that_of_forecasting_competitions() -> None:
    """Each series is forecast once, scaled by its seasonal naive error before the test set; the mean is over series."""
    lengths, season, horizon = (40, 21, 10, 7), 4, 6
    series = [RANDOM.normal(50, 9, size=length) for length in lengths]
    data = assembled(*series, history=8, horizon=horizon, season=season, test=horizon, split="per_series")
    made = baseline_forecasts(data, "test", [Naive(kind="naive"), SeasonalNaive(kind="seasonal_naive")])
    starts = data.origins("test")
    forecasts = Forecasts(starts, data.targets(starts).astype(np.float64), {MODEL: made["seasonal_naive"]} | made)

    table = scored(data, "test", forecasts)

    expected = []
    for values in series[:3]:  # the last has one value before its test set, so it has no naive error
        past, truth = values[:-horizon], values[-horizon:]
        lag = season if len(past) > season else 1
        forecast = [past[-season:][step % season] for step in range(horizon)]
        expected.append(np.abs(truth - forecast).mean() / np.abs(past[lag:] - past[:-lag]).mean())
    found = table[(table["by"] == "all") & (table["forecaster"] == MODEL)]["mase"]
    assert found.item() == pytest.approx(np.mean(expected), rel=1e-5)
