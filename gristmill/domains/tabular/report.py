"""Report on tabular regression: scores, predictions against truth, residuals, categories, training, data."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd

from gristmill.domains.common import permutation_importance
from gristmill.domains.tabular import dataset, plots
from gristmill.domains.tabular.dataset import PARTS, Prepared
from gristmill.reports.importance import importance_sections
from gristmill.reports.learning import training_sections
from gristmill.reports.pictures import as_png, as_svg
from gristmill.reports.scores import scores_section
from gristmill.reports.sections import Section, Table
from gristmill.runs.scores import Scores
from gristmill.settings.messages import format_number, format_numbers, score_column
from gristmill.util.table_io import read_document, read_table

METRICS = {"mae": "MAE", "rmse": "RMSE", "r2": "R²"}

_MAX_NAMES = 12  # of a category, in a table


def sections(folders: dict[str, Path]) -> Iterator[Section]:
    """Yield the sections of a report from the folders of a run's artifacts."""
    data, scores = dataset.read(folders["preprocess"]), Scores.read(folders["evaluate"])
    predictions = read_table(folders["evaluate"] / "predictions.parquet")
    explained = scores.model["test"]["r2"]
    remark = f"R², the share of variance explained, is {format_number(explained)}." if explained is not None else ""
    yield scores_section(scores, METRICS, remark)
    yield from prediction_sections(data, predictions, scores.best_baseline)
    yield from category_sections(data, predictions, scores.best_baseline)
    yield from importance_sections(folders["evaluate"] / permutation_importance.IMPORTANCE_FILE, METRICS)
    yield from training_sections(folders["train"])
    yield data_section(read_document(folders["ingest"] / "summary.json"), data)


def headline_picture(folders: dict[str, Path]) -> bytes:
    """Return predictions against truth as a PNG; only the folder of `evaluate` is needed."""
    return as_png(plots.scatter_figure(read_table(folders["evaluate"] / "predictions.parquet")))


def prediction_sections(data: Prepared, predictions: pd.DataFrame, best: str) -> Iterator[Section]:
    """Yield the fitted line if there is a single column of numbers, predictions against truth, and the residuals."""
    numbers, target = data.layout.numbers, data.layout.target
    if len(numbers) == 1 and not data.layout.categories:
        picture = as_svg(
            plots.line_figure(data.table[numbers[0]], predictions, target, best), f"{target} by {numbers[0]}"
        )
        yield Section("The line", f"{target} by {numbers[0]}, as the model predicts it.", pictures=[picture])
    yield Section(
        "Truth and prediction",
        f"Each row's {target} and its prediction.",
        pictures=[as_svg(plots.scatter_figure(predictions), "Prediction against true value, by part")],
    )
    test = predictions[predictions["part"] == "test"]
    yield Section(
        "Residuals",
        "Truth minus prediction, on the test set.",
        pictures=[as_svg(plots.residual_figure(test), "Residuals by prediction, and their histogram")],
    )


def category_sections(data: Prepared, predictions: pd.DataFrame, best: str) -> Iterator[Section]:
    """Yield the errors on the test set by the names of each category."""
    tables = [category_table(data, predictions, name, best) for name in data.layout.categories]
    if tables:
        note = f"Mean absolute error on the test set, the largest first; at most {_MAX_NAMES} names of a category."
        yield Section("Error by category", note, tables=tables)


def category_table(data: Prepared, predictions: pd.DataFrame, category: str, best: str) -> Table:
    """Return the errors of model and best baseline for each name of a category; new names are not in training."""
    test = predictions["part"] == "test"
    truth = predictions["y"]
    errors = pd.DataFrame({name: (truth - predictions[name]).abs() for name in ("model", best)})[test]
    grouped = errors.groupby(data.table.loc[test, category])
    means = grouped.mean().assign(rows=grouped.size()).sort_values("model", ascending=False, kind="stable")
    known, shown = data.layout.categories[category], means.head(_MAX_NAMES)
    names = [str(name) if name in known else f"{name} (new)" for name in shown.index]
    errors_of = [score_column("mae", shown[column].tolist()) for column in ("model", best)]
    counts = [f"{count:,}" for count in shown["rows"]]
    rows = [list(row) for row in zip(names, counts, *errors_of, strict=True)]
    return Table(category, ["", "rows", "MAE of the model", f"MAE of {best}"], rows)


def data_section(summary: dict[str, Any], data: Prepared) -> Section:
    """Return counts of rows and parts, and statistics of the columns."""
    counts = summary["counts"]
    dropped = f"{counts['dropped']:,} with an empty cell were dropped" if "dropped" in counts else "none was dropped"
    note = f"{counts['rows']:,} rows, {dropped}. Features of an encoded row: {data.layout.features:,}."
    parts = Table("Parts", ["part", "rows"], [[part, f"{(data.parts == part).sum():,}"] for part in PARTS])
    tables = [parts, statistics_table(summary), *([names_table(summary)] if summary["names"] else [])]
    return Section("Data", note, tables=tables)


def statistics_table(summary: dict[str, Any]) -> Table:
    """Return statistics of each column of numbers, the target first."""
    columns = summary["statistics"]
    names = list(columns[summary["target"]])
    rows = [[column, *format_numbers([values[name] for name in names])] for column, values in columns.items()]
    return Table("Numbers", ["", *names], rows)


def names_table(summary: dict[str, Any]) -> Table:
    """Return the number of names in each category, and the most frequent ones."""
    rows = []
    for column, category in summary["names"].items():
        frequent = ", ".join(f"{name} ({count:,})" for name, count in category["most_frequent"].items())
        rows.append([column, f"{category['different']:,}", frequent])
    return Table("Categories", ["", "names", "most frequent"], rows, words=True)
