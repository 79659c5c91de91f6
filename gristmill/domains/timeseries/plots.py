"""Plots of a report on time series."""

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from gristmill.domains.timeseries.data.dataset import PARTS, Prepared
from gristmill.domains.timeseries.forecasts import quantile_columns
from gristmill.reports.pictures import ACCENT, BASELINE, MODEL, TRUTH, canvas, date_ticks, legend, whole_numbers
from gristmill.reports.scores import PART_NAMES

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_MIN_VALUES_SHOWN = 60  # before the end of the data


def forecast_figure(first: pd.DataFrame, best_baseline: str, flagged: pd.DataFrame | None = None) -> "Figure":
    """Draw truth, forecast with its intervals and best baseline one step ahead, and mark anomalies."""
    figure, (axes,) = canvas()
    _fill_intervals(axes, first)
    axes.plot(first["ds"], first["y"], color=TRUTH, linewidth=1.1, label="truth")
    axes.plot(first["ds"], first[best_baseline], color=BASELINE, linewidth=1, alpha=0.8, label=best_baseline)
    axes.plot(first["ds"], first["model"], color=MODEL, label="model")
    if flagged is not None and len(flagged):
        axes.plot(flagged["ds"], flagged["y"], "o", color=ACCENT, markersize=5, fillstyle="none", label="anomaly")
    legend(axes)
    return figure


def arrival_figure(now: pd.DataFrame, then: pd.DataFrame, columns: list[str]) -> "Figure":
    """Draw the values that differ most from what was known, in one column of one series, now and before."""
    # Choose the column and the row with the largest difference; a new row counts as its distance from the known mean.
    both = now.merge(then, "outer", ["unique_id", "ds"], suffixes=("", " before")).sort_values(["unique_id", "ds"])
    both = both.reset_index(drop=True)
    distances = {}
    for name in columns:
        known = both[f"{name} before"].groupby(both["unique_id"])
        unit = known.transform("std").replace(0.0, np.nan).fillna(1.0)
        distance = (both[name] - both[f"{name} before"].fillna(known.transform("mean"))).abs() / unit
        distances[name] = distance.fillna(0.0)
    column = max(distances, key=lambda name: distances[name].max())
    row = int(distances[column].to_numpy().argmax())
    series = both["unique_id"].iloc[row]
    of_series = np.flatnonzero(both["unique_id"] == series)
    begin = max(of_series[0], min(row - 2 * _MIN_VALUES_SHOWN, of_series[-1] + 1 - 4 * _MIN_VALUES_SHOWN))
    shown = both.iloc[begin : min(of_series[-1] + 1, begin + 4 * _MIN_VALUES_SHOWN)]

    # Draw it.
    figure, (axes,) = canvas()
    axes.plot(shown["ds"], shown[column], "o-", color=ACCENT, markersize=3, label="new data, set aside")
    axes.plot(shown["ds"], shown[f"{column} before"], color=TRUTH, label="data in use")
    axes.set_ylabel(f"{column} of {series}" if both["unique_id"].nunique() > 1 else column, parse_math=False)
    if shown["ds"].dtype.kind == "M":
        date_ticks(axes)
    legend(axes)
    return figure


def _fill_intervals(axes: "Axes", table: pd.DataFrame) -> None:
    """Fill the widest interval between the quantiles of a table, and one of half as many levels."""
    quantiles = [*quantile_columns(table).items()]
    for inner, alpha in {0: 0.15, len(quantiles) // 4: 0.25}.items() if quantiles else ():
        (low, begin), (high, end) = quantiles[inner], quantiles[-1 - inner]
        label = f"{end - begin:.0%} interval"
        axes.fill_between(table["ds"], table[low], table[high], color=MODEL, alpha=alpha, linewidth=0, label=label)


def after_figure(series: Prepared, target: str, forecast: pd.DataFrame) -> "Figure":
    """Draw the last values of a target, and its forecast after them with intervals."""
    figure, (axes,) = canvas()
    shown = max(_MIN_VALUES_SHOWN, 4 * len(forecast))
    at = series.layout.targets.index(target)
    ahead = forecast.rename(columns=lambda name: name.removeprefix(f"{target} "))
    _fill_intervals(axes, ahead)
    axes.plot(series.times[-shown:], series.values[-shown:, at], color=TRUTH, linewidth=1.1, label="truth")
    marker = "o-" if len(ahead) < _MIN_VALUES_SHOWN else "-"
    axes.plot(ahead["ds"], forecast[target], marker, color=MODEL, markersize=3, label="forecast")
    axes.set_ylabel(target, parse_math=False)
    legend(axes)
    return figure


def residual_figure(first: pd.DataFrame) -> "Figure":
    """Draw residuals over time and their distribution."""
    figure, (over_time, distribution) = canvas(2.6, columns=2, widths=(3, 1))
    residuals = first["y"] - first["model"]
    over_time.axhline(0, color=TRUTH, linewidth=0.8)
    over_time.plot(first["ds"], residuals, ".", color=MODEL, markersize=3)
    over_time.set_ylabel("residual")
    distribution.hist(residuals, bins=25, orientation="horizontal", color=MODEL, alpha=0.7)
    distribution.set_xlabel("count")
    return figure


def step_figure(table: pd.DataFrame, best_baseline: str) -> "Figure":
    """Draw the MAE by step of the horizon."""
    figure, (axes,) = canvas(2.4)
    for name, colour in (("model", MODEL), (best_baseline, BASELINE), ("naive", TRUTH)):
        rows = table[table["forecaster"] == name]
        axes.plot(rows["group"].astype(int), rows["mae"], "o-", color=colour, markersize=3, label=name)
    whole_numbers(axes)
    axes.set(xlabel="steps ahead", ylabel="MAE")
    legend(axes)
    return figure


def backtest_figure(table: pd.DataFrame, best_baseline: str) -> "Figure":
    """Draw the error of each block, as the mean over its seeds and a dot for each seed."""
    figure, (axes,) = canvas(2.4)
    for name, colour in (("model", MODEL), (best_baseline, BASELINE), ("naive", TRUTH)):
        rows = table[table["forecaster"] == name]
        means = rows.groupby("begin")["mae"].mean()
        axes.plot(means.index, means, "o-", color=colour, markersize=4, label=name)
        if name == "model" and table["seed"].nunique() > 1:
            axes.plot(rows["begin"], rows["mae"], ".", color=colour, alpha=0.5)
    axes.set(xlabel="start of the block", ylabel="MAE")
    axes.set_ylim(bottom=0)
    legend(axes)
    return figure


def series_figure(data: Prepared, series: int, target: int, segments: pd.DataFrame) -> "Figure":
    """Draw a whole series with its parts and change points."""
    figure, (axes,) = canvas(2.6)
    for part, colour in zip(PARTS, (TRUTH, BASELINE, MODEL), strict=True):
        begin, end = data.part(part)[series]
        if end > begin:
            values = data.values[begin:end, target]
            axes.plot(data.times[begin:end], values, color=colour, linewidth=0.8, label=PART_NAMES[part])
    of_series = segments[(segments["unique_id"] == data.ids[series]) & (target == 0)]  # only for the first target
    for number, change in enumerate(of_series["begin"].iloc[1:]):
        label = "change point" if number == 0 else None
        axes.axvline(change, color=ACCENT, linewidth=0.9, linestyle="--", label=label)
    axes.set_ylabel(data.layout.targets[target], parse_math=False)
    legend(axes)
    return figure


def decomposition_figure(table: pd.DataFrame) -> "Figure":
    """Draw a series as the sum of trend, season and remainder."""
    from matplotlib.dates import AutoDateLocator
    from matplotlib.ticker import MaxNLocator

    figure, axes = canvas(2.2, columns=3)
    for name, place in zip(("trend", "season", "remainder"), axes, strict=True):
        place.plot(table["ds"], table[name], color=MODEL, linewidth=0.8)
        place.set_title(name, fontsize=10)
        if isinstance(place.xaxis.get_major_locator(), AutoDateLocator):
            date_ticks(place)
        else:
            place.xaxis.set_major_locator(MaxNLocator(4))
    return figure


def autocorrelation_figure(values: Any, bound: float, season: int | None) -> "Figure":
    """Draw the autocorrelation by lag, with the bounds of white noise."""
    figure, (axes,) = canvas(2.2)
    lags = np.arange(len(values))
    axes.vlines(lags, 0, values, color=MODEL, linewidth=1)
    axes.axhspan(-bound, bound, color=TRUTH, alpha=0.2, linewidth=0)
    if season is not None and season < len(values):
        axes.axvline(season, color=ACCENT, linewidth=0.8, linestyle="--", label=f"season of {season}")
        legend(axes, loc="upper right")
    axes.set(xlabel="lag", ylabel="autocorrelation")
    return figure
