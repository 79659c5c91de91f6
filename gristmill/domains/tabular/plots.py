"""Plots of a report on a table."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import pandas as pd

from gristmill.domains.tabular.dataset import MAX_NAMES, PARTS, by_part
from gristmill.reports.pictures import ACCENT, BASELINE, MODEL, TRUTH, canvas, date_ticks, legend, name_ticks, panels
from gristmill.reports.scores import PART_NAMES

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MAX_DOTS = 2_000  # of a part: every dot is an element of the page
_COLOURS = dict(zip(PARTS, (TRUTH, BASELINE, MODEL), strict=True))


def scatter_figure(predictions: pd.DataFrame) -> "Figure":
    """Draw each row's prediction against its truth, part by part, and the line on which they are equal."""
    figure, (axes,) = canvas(4)
    ends = [predictions[["y", "model"]].min().min(), predictions[["y", "model"]].max().max()]
    axes.plot(ends, ends, color=ACCENT, linewidth=0.8, linestyle="--", label="equal")
    for part, rows in by_part(predictions).items():
        some, label = _sampled(rows), PART_NAMES[part]
        axes.plot(some["y"], some["model"], ".", color=_COLOURS[part], markersize=5, alpha=0.7, label=label)
    axes.set_xlabel("truth")
    axes.set_ylabel("prediction")
    legend(axes)
    return figure


def residual_figure(test: pd.DataFrame) -> "Figure":
    """Draw residuals by prediction, and their histogram."""
    figure, (by_prediction, distribution) = canvas(2.6, columns=2, widths=(3, 1))
    residuals, some = test["y"] - test["model"], _sampled(test)
    by_prediction.axhline(0, color=TRUTH, linewidth=0.8)
    by_prediction.plot(some["model"], some["y"] - some["model"], ".", color=MODEL, markersize=4)
    by_prediction.set_xlabel("prediction")
    by_prediction.set_ylabel("residual")
    distribution.hist(residuals, bins=25, orientation="horizontal", color=MODEL, alpha=0.7)
    distribution.set_xlabel("count")
    return figure


def residuals_by_feature_figure(test: pd.DataFrame, features: pd.DataFrame, dates: Sequence[str] = ()) -> "Figure":
    """Draw residuals by the values of each feature; `dates` names those that are dates."""
    figure, axes = panels(list(map(str, features)), "residual")
    test = _sampled(test)
    features = features.loc[test.index]
    for single, name in zip(axes, features, strict=True):
        single.axhline(0, color=TRUTH, linewidth=0.8)
        places = _positions(single, features[name], name in dates)
        single.plot(places, test["y"] - test["model"], ".", color=MODEL, markersize=3)
    return figure


def dependence_figure(table: pd.DataFrame, target: str, dates: Sequence[str] = ()) -> "Figure":
    """Draw the mean prediction by the value of each feature, and class; `table` is that of `partial_dependence`.

    `dates` names the features that are dates. Of those and of numbers, a dotted line is that of an empty cell.
    """
    figure, axes = panels(list(table["feature"].unique()), target)
    low, high = table["prediction"].min(), table["prediction"].max()
    several = table["class"].nunique() > 1
    for single, (feature, of_feature) in zip(axes, table.groupby("feature", sort=False), strict=True):
        is_date, is_number = feature in dates, bool(of_feature["number"].notna().any())
        is_line = is_date or is_number
        for at, (name, rows) in enumerate(of_feature.groupby("class", sort=False)):
            colour = f"C{at}" if several else MODEL
            empty = rows[(rows["name"] == "") & rows["number"].isna()] if is_line else rows[:0]
            given = rows.drop(index=empty.index)
            places = _positions(single, given["number" if is_number else "name"], is_date)
            single.plot(places, given["prediction"], "-" if is_line else "o", label=name, color=colour)
            for level in empty["prediction"]:
                single.axhline(level, color=colour, linestyle=":")
        single.set_ylim(low - 0.05 * (high - low) - 1e-9, high + 0.05 * (high - low) + 1e-9)
    if several:
        legend(axes[0], of_figure=True)
    return figure


def _sampled(rows: pd.DataFrame) -> pd.DataFrame:
    """Return at most `MAX_DOTS` rows, drawn at random."""
    return rows if len(rows) <= MAX_DOTS else rows.sample(MAX_DOTS, random_state=0)


def _positions(axes: "Axes", values: "pd.Series[Any]", is_date: bool) -> "pd.Series[Any]":
    """Return where values are on the x-axis: numbers and dates as they are, names at places labelled with them."""
    if is_date:
        date_ticks(axes)
        return pd.to_datetime(values.replace("", None).str[:10])
    if pd.api.types.is_numeric_dtype(values):
        return values
    names = list(values.value_counts().index[:MAX_NAMES])
    name_ticks(axes, [name or "(empty)" for name in names])
    return values.map({name: at for at, name in enumerate(names)})


def line_figure(column: "pd.Series[float]", predictions: pd.DataFrame, target: str, best: str) -> "Figure":
    """Draw the rows over their single column of numbers, and the lines of model and best baseline."""
    figure, (axes,) = canvas()
    along = predictions.assign(x=column).sort_values("x")
    axes.plot(along["x"], along[best], color=BASELINE, linestyle="--", label=best)
    axes.plot(along["x"], along["model"], color=MODEL, label="model")
    for part, rows in by_part(along).items():
        marker, some, colour = "o" if part == "test" else ".", _sampled(rows), _COLOURS[part]
        label = PART_NAMES[part]
        axes.plot(some["x"], some["y"], marker, color=colour, linestyle="none", fillstyle="none", label=label)
    axes.set_xlabel(str(column.name))
    axes.set_ylabel(target)
    legend(axes)
    return figure
