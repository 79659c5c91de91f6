"""What a report on a time series shows: scores, forecast, residuals, training, data."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from gristmill.pictures import ACCENT, BASELINE, MODEL, TRUTH, as_png, as_svg, canvas, legend
from gristmill.report import Section, Table
from gristmill.tables import read_document, read_table
from gristmill.timeseries import prepared
from gristmill.timeseries.prepared import Prepared
from gristmill.wording import score

if TYPE_CHECKING:
    from matplotlib.figure import Figure

METRICS = {"mae": "MAE", "rmse": "RMSE", "mape": "MAPE %", "mase": "MASE", "skill": "skill"}


def sections(folders: dict[str, Path]) -> Iterator[Section]:
    """Yield the sections of a report from the folders of a run's artifacts."""
    scores = read_document(folders["evaluate"] / "scores.json")
    predictions = read_table(folders["evaluate"] / "predictions.parquet")
    summary = read_document(folders["ingest"] / "summary.json")
    training = read_document(folders["train"] / "training.json")
    epochs = read_table(folders["train"] / "epochs.parquet")
    data = prepared.read(folders["preprocess"])
    test = predictions[predictions["part"] == "test"]
    yield Section(
        "Scores",
        verdict(scores),
        tables=[scores_table(scores, part) for part in ("test", "validation") if part in scores["model"]],
    )
    yield Section(
        "Forecast and truth",
        forecast_note(data),
        pictures=[as_svg(forecast_figure(test, scores["best_baseline"]))],
    )
    yield Section(
        "Residuals", "Truth minus forecast, one step ahead, on the test part.", pictures=[as_svg(residual_figure(test))]
    )
    if len(epochs):
        yield Section(
            "Training", training_note(training), pictures=[as_svg(learning_figure(epochs, training["best_epoch"]))]
        )
    yield Section(
        "Data", data_note(summary), pictures=[as_svg(series_figure(data))], tables=[data_table(summary, data)]
    )


def headline_picture(folders: dict[str, Path]) -> bytes:
    """Return the forecast against the truth as a PNG, from the folder of `evaluate` alone."""
    predictions = read_table(folders["evaluate"] / "predictions.parquet")
    best = read_document(folders["evaluate"] / "scores.json")["best_baseline"]
    return as_png(forecast_figure(predictions[predictions["part"] == "test"], best))


def verdict(scores: dict[str, Any]) -> str:
    """Say in a sentence how the model stands beside its best baseline."""
    headline, gain = scores["headline"], scores["model"]["test"]["skill"] or 0.0
    stands = "beats" if gain > 0 else "does not beat"
    return (
        f"The model {stands} its best baseline, {scores['best_baseline']}, on the test part: "
        f"MAE {headline['model']:.4g} against {headline['baseline']:.4g} ({gain:+.1%}). "
        "Nothing was fitted on the test part."
    )


def scores_table(scores: dict[str, Any], part: str) -> Table:
    """Return a part's scores, the model first, then the baselines from the best on."""
    baselines = sorted(scores["baselines"].items(), key=lambda item: item[1][part]["mae"])
    named = [("model", scores["model"][part]), *((name, by_part[part]) for name, by_part in baselines)]
    rows = [[name, *(score(metric, values[metric]) for metric in METRICS)] for name, values in named]
    return Table(f"{part.capitalize()} part", ["forecast", *METRICS.values()], rows)


def forecast_note(data: Prepared) -> str:
    horizon = data.layout.horizon
    note = f"; the model forecasts {horizon} at once" if horizon > 1 else ""
    return f"The test part, each value forecast one step ahead{note}."


def forecast_figure(test: pd.DataFrame, best_baseline: str) -> "Figure":
    """Draw truth, forecast and best baseline one step ahead."""
    figure, (axes,) = canvas()
    first = test[test["step"] == 1]
    axes.plot(first["ds"], first["y"], color=TRUTH, linewidth=1.1, label="truth")
    axes.plot(first["ds"], first[best_baseline], color=BASELINE, linewidth=1, alpha=0.8, label=best_baseline)
    axes.plot(first["ds"], first["model"], color=MODEL, label="model")
    legend(axes, loc="upper left", bbox_to_anchor=(0, 1.12))
    return figure


def residual_figure(test: pd.DataFrame) -> "Figure":
    """Draw residuals over time and how they are distributed."""
    figure, (over_time, distribution) = canvas(2.6, columns=2, widths=(3, 1))
    first = test[test["step"] == 1]
    residuals = first["y"] - first["model"]
    over_time.axhline(0, color=TRUTH, linewidth=0.8)
    over_time.plot(first["ds"], residuals, ".", color=MODEL, markersize=3)
    over_time.set_ylabel("residual")
    distribution.hist(residuals, bins=25, orientation="horizontal", color=MODEL, alpha=0.7)
    distribution.set_xlabel("count")
    return figure


def training_note(training: dict[str, Any]) -> str:
    """Say which epoch was kept and why."""
    ended = "stopped by its validation loss" if training["stopped_early"] else "ran all its epochs"
    return f"Training {ended}: {training['epochs']} epochs, the weights of epoch {training['best_epoch']} were kept."


def learning_figure(epochs: pd.DataFrame, best: int) -> "Figure":
    """Draw training and validation loss by epoch."""
    figure, (axes,) = canvas(2.6)
    axes.plot(epochs["epoch"], epochs["loss"], color=MODEL, label="training loss")
    if "val_loss" in epochs:
        axes.plot(epochs["epoch"], epochs["val_loss"], color=BASELINE, label="validation loss")
    axes.axvline(best, color=ACCENT, linewidth=0.8, linestyle="--", label="kept")
    axes.set_yscale("log")
    axes.set_xlabel("epoch")
    legend(axes, loc="upper right")
    return figure


def series_figure(data: Prepared) -> "Figure":
    """Draw the whole series with its parts."""
    figure, (axes,) = canvas(2.6)
    for (part, (begin, end)), colour in zip(data.layout.parts.items(), (TRUTH, BASELINE, MODEL), strict=True):
        if end > begin:
            axes.plot(data.times[begin:end], data.values[begin:end], color=colour, linewidth=0.8, label=part)
    axes.set_ylabel(data.layout.target)
    legend(axes, loc="upper left", bbox_to_anchor=(0, 1.14))
    return figure


def data_note(summary: dict[str, Any]) -> str:
    counts = summary["counts"]
    repairs = counts["interpolated"]
    mended = f"{repairs} missing values were interpolated" if repairs else "no value was missing"
    return (
        f"{counts['rows']:,} observations of {summary['target']}, frequency {summary['frequency']}; {mended}, "
        f"{counts['out_of_order']} rows stood out of order."
    )


def data_table(summary: dict[str, Any], data: Prepared) -> Table:
    """Return parts and statistics of the series."""
    rows = [
        [
            part,
            f"{end - begin:,}",
            f"{len(data.origins(part)):,}",
            *(f"{data.times[at]:%Y-%m-%d}" for at in (begin, end - 1)),
        ]
        + [
            f"{value:.4g}"
            for value in (
                np.mean(data.values[begin:end]),
                np.std(data.values[begin:end]),
                *_range(data.values[begin:end]),
            )
        ]
        for part, (begin, end) in data.layout.parts.items()
        if end > begin
    ]
    return Table("Parts", ["part", "observations", "windows", "first", "last", "mean", "deviation", "min", "max"], rows)


def _range(values: np.ndarray) -> tuple[float, float]:
    return float(values.min()), float(values.max())
