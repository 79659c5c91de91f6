"""What the pictures of a report show: the lines, by their data."""

from typing import Any

import numpy as np
import pandas as pd
import pytest

from gristmill.domains.timeseries import plots
from helpers.small_runs import assembled, months

TIMES = months(20)
FIRST = pd.DataFrame(
    {
        "ds": TIMES,
        "y": np.arange(20.0),
        "model": np.arange(20.0) + 1,
        "drift": np.arange(20.0) - 1,
        **{f"quantile {level}": np.arange(20.0) + 10 * level - 5 for level in (0.1, 0.3, 0.5, 0.7, 0.9)},
    }
)


def lines(figure: Any, panel: int = 0) -> dict[str, Any]:
    """Return the named lines of a panel: label to values."""
    drawn = {str(line.get_label()): np.asarray(line.get_ydata()) for line in figure.axes[panel].lines}
    return {label: values for label, values in drawn.items() if not label.startswith("_")}


def test_the_forecast_is_drawn_with_truth_baseline_interval_and_what_was_flagged() -> None:
    flagged = pd.DataFrame({"ds": TIMES[[3, 7]], "y": [3.0, 7.0]})

    figure = plots.forecast_figure(FIRST, "drift", flagged)

    drawn = lines(figure)
    assert list(drawn) == ["truth", "drift", "model", "anomaly"]
    for name, column in (("truth", "y"), ("drift", "drift"), ("model", "model")):
        assert drawn[name].tolist() == FIRST[column].tolist()
    assert drawn["anomaly"].tolist() == [3, 7]
    bands = {str(band.get_label()): band.get_paths()[0].vertices[:, 1] for band in figure.axes[0].collections}
    assert list(bands) == ["80% interval", "40% interval"]
    for heights, half in zip(bands.values(), (4, 2), strict=True):
        assert (heights.min(), heights.max()) == pytest.approx((-half, 19 + half))


def test_three_quantiles_are_one_interval() -> None:
    figure = plots.forecast_figure(FIRST.drop(columns=["quantile 0.3", "quantile 0.7"]), "drift")

    assert [str(band.get_label()) for band in figure.axes[0].collections] == ["80% interval"]


def test_without_interval_and_anomalies_neither_is_drawn() -> None:
    figure = plots.forecast_figure(
        FIRST.assign(**{name: np.nan for name in FIRST if "quantile" in name}), "drift", FIRST.iloc[:0]
    )

    assert list(lines(figure)) == ["truth", "drift", "model"]
    assert len(figure.axes[0].collections) == 0


def test_residuals_are_truth_minus_forecast() -> None:
    figure = plots.residual_figure(FIRST)

    (dots,) = [line for line in figure.axes[0].lines if line.get_marker() == "."]
    assert np.asarray(dots.get_ydata()).tolist() == [-1.0] * 20
    assert sum(bar.get_width() for bar in figure.axes[1].patches) == 20


def test_the_error_by_step_stands_beside_the_baselines() -> None:
    table = pd.DataFrame(
        [
            {"forecaster": name, "group": str(step), "mae": step * size}
            for name, size in (("model", 1.0), ("naive", 3.0), ("drift", 2.0))
            for step in (1, 2, 10)
        ]
    )

    figure = plots.step_figure(table, "drift")

    assert {name: drawn.tolist() for name, drawn in lines(figure).items()} == {
        "model": [1, 2, 10],
        "drift": [2, 4, 20],
        "naive": [3, 6, 30],
    }
    assert np.asarray(figure.axes[0].lines[0].get_xdata()).tolist() == [1, 2, 10]


@pytest.mark.parametrize("seeds", [1, 3])
def test_each_block_of_a_backtest_is_drawn_by_its_mean_and_each_seed_as_a_dot(seeds: int) -> None:
    table = pd.DataFrame(
        [
            {"window": window, "seed": seed, "begin": TIMES[10 - window], "forecaster": name, "mae": size + seed}
            for name, size in (("model", 1.0), ("naive", 3.0), ("drift", 2.0))
            for window in range(2)
            for seed in range(seeds)
        ]
    )

    figure = plots.backtest_figure(table, "drift")

    shift = (seeds - 1) / 2
    assert {name: drawn.tolist() for name, drawn in lines(figure).items()} == {
        "model": [1 + shift] * 2,
        "drift": [2 + shift] * 2,
        "naive": [3 + shift] * 2,
    }
    dots = [line for line in figure.axes[0].lines if line.get_linestyle() == "None"]
    assert [len(np.asarray(line.get_ydata())) for line in dots] == ([2 * seeds] if seeds > 1 else [])


def test_a_series_is_drawn_by_parts_with_its_changes_and_without_parts_that_are_empty() -> None:
    values = np.random.default_rng(0).normal(size=60)
    data = assembled(values, values[:30] + 5, history=6, validation=0, test=20, starts=[0, 30])
    segments = pd.DataFrame(
        {"unique_id": ["series 0"] * 3 + ["series 1"] * 2, "begin": data.times[[0, 20, 40, 60, 70]]}
    )

    first, second = (plots.series_figure(data, series, 0, segments) for series in (0, 1))

    assert list(lines(first)) == ["training", "test", "change point"]
    drawn = np.concatenate([lines(first)["training"], lines(first)["test"]])
    assert drawn == pytest.approx(values, rel=1e-6)
    assert len(first.axes[0].lines) == 2 + 2  # two changes, one of them named
    assert len(second.axes[0].lines) == 2 + 1
    assert first.axes[0].get_ylabel() == "y"


def test_changes_are_those_of_the_first_target() -> None:
    data = assembled(np.random.default_rng(0).normal(size=(60, 2)), test=20)
    segments = pd.DataFrame({"unique_id": ["series 0"] * 2, "begin": data.times[[0, 20]]})

    figure = plots.series_figure(data, 0, 1, segments)

    assert list(lines(figure)) == ["training", "test"]
    assert figure.axes[0].get_ylabel() == "y1"


def test_a_decomposition_has_a_panel_each() -> None:
    table = pd.DataFrame({"ds": TIMES, "trend": 1.0, "season": 2.0, "remainder": 3.0})

    figure = plots.decomposition_figure(table)

    assert [axes.get_title() for axes in figure.axes] == ["trend", "season", "remainder"]
    assert [np.asarray(axes.lines[0].get_ydata())[0] for axes in figure.axes] == [1, 2, 3]


@pytest.mark.parametrize(("season", "marked"), [(None, []), (3, ["season of 3"]), (30, [])])
def test_an_autocorrelation_is_drawn_with_its_bounds_and_the_season(season: int | None, marked: list[str]) -> None:
    figure = plots.autocorrelation_figure([1.0, 0.5, 0.2, 0.7], 0.3, season)

    (stems,) = [found for found in figure.axes[0].collections if len(found.get_paths()) == 4]
    assert [float(path.vertices[:, 1].max()) for path in stems.get_paths()] == [1, 0.5, 0.2, 0.7]
    (band,) = figure.axes[0].patches
    assert (band.get_y(), band.get_y() + band.get_height()) == pytest.approx((-0.3, 0.3))
    assert list(lines(figure)) == marked
