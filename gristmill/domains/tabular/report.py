"""Report on a table: for numbers, predictions and residuals; for classes, the report of all classifiers."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from gristmill.domains.common.classification import examples
from gristmill.domains.common.classification import report as classification
from gristmill.domains.common.permutation_importance import IMPORTANCE_FILE
from gristmill.domains.tabular import dataset
from gristmill.domains.tabular.copies import COPIES_FILE
from gristmill.domains.tabular.dataset import MAX_NAMES, PARTS, Prepared, by_part
from gristmill.domains.tabular.partial_dependence import MAX_CLASSES, MAX_FEATURES, PARTIAL_DEPENDENCE_FILE
from gristmill.errors import count_of
from gristmill.reports.columns import importance_sections, missing_count, statistics_table
from gristmill.reports.learning import training_sections
from gristmill.reports.pictures import (
    ACCENT,
    BASELINE,
    MODEL,
    TRUTH,
    as_png,
    as_svg,
    canvas,
    date_ticks,
    legend,
    name_ticks,
    panels,
)
from gristmill.reports.scores import PART_NAMES, scores_section
from gristmill.reports.sections import Section, Table
from gristmill.scores import Scores
from gristmill.settings.number_text import format_number, format_numbers, score_column
from gristmill.util.table_io import read_document, read_table

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

METRICS = {"mae": "MAE", "rmse": "RMSE", "r2": "R²"}
_MAX_ROWS_LISTED = 10
MAX_DOTS = 2_000  # of a part: every dot is an element of the page
_COLOURS = dict(zip(PARTS, (TRUTH, BASELINE, MODEL), strict=True))


def sections(folders: dict[str, Path]) -> Iterator[Section]:
    """Yield the sections of a report from the folders of a run's artifacts."""
    data = dataset.read(folders["preprocess"])
    classes = data.layout.classes
    if classes:
        yield from classification.evaluation_sections(classification.read_evaluation(folders))
    else:
        yield from number_sections(folders, data)
    yield from importance_sections(folders["evaluate"] / IMPORTANCE_FILE)
    yield from dependence_sections(folders["evaluate"], data)
    yield from [] if classes else training_sections(folders["train"])
    yield data_section(read_document(folders["ingest"] / "summary.json"), data, copies_note(folders["preprocess"]))


def headline_picture(folders: dict[str, Path]) -> bytes:
    """Return predictions against truth, or the confusion of classes, as a PNG, from the folder of `evaluate` alone."""
    if (folders["evaluate"] / examples.FILE).exists():
        return classification.headline_picture(folders)
    return as_png(scatter_figure(read_table(folders["evaluate"] / "predictions.parquet")))


def number_sections(folders: dict[str, Path], data: Prepared) -> Iterator[Section]:
    """Yield the sections on the predictions of numbers."""
    # 1. Scores
    scores = Scores.read(folders["evaluate"])
    best, explained = scores.best_baseline, scores.model["test"]["r2"]
    remark = f"R², the share of variance explained, is {format_number(explained)}." if explained is not None else ""
    yield scores_section(scores, METRICS, remark)
    # 2. Predictions and residuals, by the most important features; a single one has no file of importance
    predictions = read_table(folders["evaluate"] / "predictions.parquet")
    predictions.index = pd.Index(data.positions(predictions["row"]))
    features, importance = data.layout.columns, folders["evaluate"] / IMPORTANCE_FILE
    if importance.exists():
        features = [feature["feature"] for feature in read_document(importance)["features"]]
    features = features[:MAX_FEATURES]
    yield from prediction_sections(data, predictions, best, features)
    # 3. Errors
    tables = [category_table(data, predictions, name, best) for name in data.layout.categories]
    if tables:
        note = f"Mean absolute error on the test set, the largest first; at most {MAX_NAMES} values of a category."
        yield Section("Error by category", note, tables=tables)
    yield worst_section(data, predictions, best, features)


def prediction_sections(data: Prepared, predictions: pd.DataFrame, best: str, features: list[str]) -> Iterator[Section]:
    """Yield the fitted line if there is a single column of numbers, predictions against truth, and the residuals."""
    numbers, target = data.layout.numbers, data.layout.target
    many = predictions["part"].value_counts().max() > MAX_DOTS
    sampled = f" Of each part, {MAX_DOTS:,} rows drawn at random are shown." if many else ""
    if data.layout.columns == numbers and len(numbers) == 1:
        picture = as_svg(line_figure(data.table[numbers[0]], predictions, target, best), f"{target} by {numbers[0]}")
        yield Section("The line", f"{target} by {numbers[0]}, as the model predicts it.{sampled}", pictures=[picture])
    picture = as_svg(scatter_figure(predictions), "Prediction against true value, by part")
    yield Section("Truth and prediction", f"Each row's {target} and its prediction.{sampled}", pictures=[picture])
    test = predictions[predictions["part"] == "test"]
    by_prediction = as_svg(residual_figure(test), "Residuals by prediction, and their histogram")
    figure = residuals_by_feature_figure(test, data.table.loc[test.index, features], data.layout.dates)
    note = f"Truth minus prediction, on the test set, by prediction and by feature{_note_limit(data)}.{sampled}"
    yield Section("Residuals", note, [by_prediction, as_svg(figure, "Residuals by feature")])


def _note_limit(data: Prepared) -> str:
    count = len(data.layout.columns)
    return f", the {MAX_FEATURES} most important of {count:,}" if count > MAX_FEATURES else ""


def worst_section(data: Prepared, predictions: pd.DataFrame, best: str, features: list[str]) -> Section:
    """Return the rows of the test set with the largest errors."""
    test = predictions[predictions["part"] == "test"]
    errors = (test["y"] - test["model"]).abs()
    worst = test.loc[errors.nlargest(_MAX_ROWS_LISTED).index]
    values = data.table.loc[worst.index, features]
    columns = [worst[name] for name in ("row", "y", "model", best)] + [values[name] for name in features]
    cells = [
        format_numbers(column.tolist()) if pd.api.types.is_numeric_dtype(column) else list(map(str, column))
        for column in columns
    ]
    headings = ["row", data.layout.target, "prediction", best, *features]
    note = (
        f"Rows of the test set with the largest absolute errors, and their features{_note_limit(data)}. Rows have "
        "their numbers in the file: in a CSV file, the header is row 1."
    )
    return Section("Worst rows", note, tables=[Table.of_columns("", headings, cells)])


def dependence_sections(evaluated: Path, data: Prepared) -> Iterator[Section]:
    """Yield the partial dependence of the prediction on each feature, if evaluate has measured it."""
    if not (evaluated / PARTIAL_DEPENDENCE_FILE).exists():
        return
    table, classes = read_table(evaluated / PARTIAL_DEPENDENCE_FILE), data.layout.classes
    label = f"probability of {classes[1]}" if len(classes) == 2 else "probability" if classes else data.layout.target
    note = (
        "The mean prediction for rows of the test set in which one feature is set to the value on the x-axis. All "
        f"panels have the same scale. At most {MAX_FEATURES} features, the most important first. If features "
        "depend on each other, some of these rows would never occur."
    )
    if (table["number"].isna() & (table["name"] == "")).any():
        note += " A dotted line is the prediction for an empty cell."
    if len(classes) > MAX_CLASSES:
        note += f" Only the {MAX_CLASSES} most frequent classes are shown."
    figure = dependence_figure(table, label, data.layout.dates)
    yield Section("Partial dependence", note, [as_svg(figure, "Mean prediction by feature")])


def category_table(data: Prepared, predictions: pd.DataFrame, category: str, best: str) -> Table:
    """Return the errors of model and best baseline for each name of a category; new names are not in training."""
    test = predictions[predictions["part"] == "test"]
    errors = pd.DataFrame({name: (test["y"] - test[name]).abs() for name in ("model", best)})
    grouped = errors.groupby(data.table.loc[errors.index, category])
    means = grouped.mean().assign(rows=grouped.size()).sort_values("model", ascending=False, kind="stable")
    known, shown = data.layout.categories[category], means.head(MAX_NAMES)
    names = [str(name) if name in known else f"{name} (new)" for name in shown.index]
    counts = [f"{count:,}" for count in shown["rows"]]
    scores = [score_column("mae", shown[column].tolist()) for column in ("model", best)]
    return Table.of_columns(category, ["", "rows", "MAE of the model", f"MAE of {best}"], [names, counts, *scores])


def copies_note(prepared: Path) -> str:
    """Return sentences on equal rows, from the artifact of preprocess; empty if there are none."""
    if not (prepared / COPIES_FILE).exists():
        return ""
    summary = read_document(prepared / COPIES_FILE)
    if count := summary.get("equal_by_chance"):
        return (
            f" {count:,} rows equal another row by chance: about as many are expected, or each combination of inputs "
            "has many rows. They do not count as copies and may be in different sets."
        )
    return classification.duplicates_note(summary)


def data_section(summary: dict[str, Any], data: Prepared, copies: str = "") -> Section:
    """Return counts of rows and parts, statistics of the columns, and sentences on copies."""
    counts, layout = summary["counts"], data.layout
    note = count_of(counts["rows"], "rows")
    if without := counts.get("without_target", 0):
        note += f"; left out without a target: {without:,}"
    note += f". Features of an encoded row: {layout.features:,}."
    if layout.left_out:
        left_out = ", ".join(f"{name} ({why})" for name, why in layout.left_out.items())
        note += f" The model does not read {left_out}."
    parts = Table("Parts", ["part", "rows"], [[PART_NAMES[part], f"{len(data.at(part)):,}"] for part in PARTS])
    tables = [classification.counts_table(data.labelled) if layout.classes else parts]
    if summary["statistics"]:
        tables.append(statistics_table("Numbers", summary))
    rows = []
    for column, category in summary["names"].items():
        frequent = ", ".join(f"{name} ({count:,})" for name, count in category["most_frequent"].items())
        rows.append([column, missing_count(summary, column), f"{category['different']:,}", frequent])
    if rows:
        tables.append(Table("Categories", ["", "missing", "values", "most frequent"], rows, words=True))
    return Section("Data", note + copies, tables=tables)


def scatter_figure(predictions: pd.DataFrame) -> "Figure":
    """Draw each row's prediction against its truth, part by part, and the line on which they are equal."""
    figure, (axes,) = canvas(4)
    ends = [predictions[["y", "model"]].min().min(), predictions[["y", "model"]].max().max()]
    axes.plot(ends, ends, color=ACCENT, linewidth=0.8, linestyle="--", label="equal")
    for part, rows in by_part(predictions).items():
        dots, label = _sample_dots(rows), PART_NAMES[part]
        axes.plot(dots["y"], dots["model"], ".", color=_COLOURS[part], markersize=5, alpha=0.7, label=label)
    axes.set_xlabel("truth")
    axes.set_ylabel("prediction")
    legend(axes)
    return figure


def residual_figure(test: pd.DataFrame) -> "Figure":
    """Draw residuals by prediction, and their histogram."""
    figure, (by_prediction, distribution) = canvas(2.6, columns=2, widths=(3, 1))
    dots = _sample_dots(test)
    by_prediction.axhline(0, color=TRUTH, linewidth=0.8)
    by_prediction.plot(dots["model"], dots["y"] - dots["model"], ".", color=MODEL, markersize=4)
    by_prediction.set_xlabel("prediction")
    by_prediction.set_ylabel("residual")
    distribution.hist(test["y"] - test["model"], bins=25, orientation="horizontal", color=MODEL, alpha=0.7)
    distribution.set_xlabel("count")
    return figure


def residuals_by_feature_figure(test: pd.DataFrame, features: pd.DataFrame, dates: Sequence[str] = ()) -> "Figure":
    """Draw residuals by the values of each feature; `dates` names those that are dates."""
    figure, axes = panels(list(map(str, features)), "residual")
    dots = _sample_dots(test)
    features = features.loc[dots.index]
    for panel, name in zip(axes, features, strict=True):
        panel.axhline(0, color=TRUTH, linewidth=0.8)
        positions = _positions(panel, features[name], name in dates)
        panel.plot(positions, dots["y"] - dots["model"], ".", color=MODEL, markersize=3)
    return figure


def dependence_figure(table: pd.DataFrame, target: str, dates: Sequence[str] = ()) -> "Figure":
    """Draw the mean prediction by the value of each feature, and class; `table` is that of `partial_dependence`.

    `dates` names the features that are dates. Of those and of numbers, a dotted line is that of an empty cell.
    """
    figure, axes = panels(list(table["feature"].unique()), target)
    low, high = table["prediction"].min(), table["prediction"].max()
    several = table["class"].nunique() > 1
    for panel, (feature, grid) in zip(axes, table.groupby("feature", sort=False), strict=True):
        is_date, is_number = feature in dates, bool(grid["number"].notna().any())
        is_line = is_date or is_number
        for at, (name, rows) in enumerate(grid.groupby("class", sort=False)):
            colour = f"C{at}" if several else MODEL
            is_empty = (rows["name"] == "") & rows["number"].isna() & is_line
            values = rows[~is_empty]
            positions = _positions(panel, values["number" if is_number else "name"], is_date)
            panel.plot(positions, values["prediction"], "-" if is_line else "o", label=name, color=colour)
            for level in rows.loc[is_empty, "prediction"]:
                panel.axhline(level, color=colour, linestyle=":")
        panel.set_ylim(low - 0.05 * (high - low) - 1e-9, high + 0.05 * (high - low) + 1e-9)
    if several:
        legend(axes[0], of_figure=True)
    return figure


def _sample_dots(rows: pd.DataFrame) -> pd.DataFrame:
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
        dots, marker = _sample_dots(rows), "o" if part == "test" else "."
        style: dict[str, Any] = {
            "color": _COLOURS[part],
            "linestyle": "none",
            "fillstyle": "none",
            "label": PART_NAMES[part],
        }
        axes.plot(dots["x"], dots["y"], marker, **style)
    axes.set_xlabel(str(column.name))
    axes.set_ylabel(target)
    legend(axes)
    return figure
