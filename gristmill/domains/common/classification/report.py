"""Sections of a report on a classifier: scores, confusion matrix, calibration, slices, and examples of each."""

from collections.abc import Container, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from gristmill.domains.common.classification import examples
from gristmill.domains.common.classification.decision import MOST_PROBABLE, Decision
from gristmill.domains.common.classification.labelled import PARTS, LabelledDataset
from gristmill.domains.common.classification.predictions import misclassified, read_predictions
from gristmill.domains.common.classification.report_tiles import note_on_maps, table_of_examples
from gristmill.domains.common.classification.scores import BINS, ThresholdCurves, threshold_curves
from gristmill.errors import count_of
from gristmill.reports import scores
from gristmill.reports.learning import training_sections
from gristmill.reports.pictures import BASELINE, MODEL, TRUTH, as_png, as_svg, canvas, legend, shorten, text_color
from gristmill.reports.scores import PART_NAMES, metric_name
from gristmill.reports.sections import Section, Table
from gristmill.scores import Scores
from gristmill.settings.number_text import format_number, score, score_column
from gristmill.util.table_io import read_document, read_table

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_SCORES = "balanced_log_loss log_loss accuracy precision recall f1 roc_auc brier ece coverage set_size"
METRICS = {metric: metric_name(metric) for metric in _SCORES.split()}
_MAX_ROWS = 30  # classes or groups in a table
Reached = tuple[float, float, float | None]  # false-positive rate, recall, and precision if any example is taken
_MAX_CLASSES_COUNTED, _MAX_CLASSES_NAMED = 20, 40  # limits for counts in the cells and for names on the axes


class ClassificationScores(Scores):
    """Content of `scores.json` of a classifier."""

    classes: list[str]
    confusion: list[list[int]]
    calibration: list[dict[str, Any]]
    decision: Decision = MOST_PROBABLE
    embedding: dict[str, Any] | None = None


@dataclass(frozen=True)
class Evaluation:
    """Scores of a run, and the folders they come from."""

    evaluate: Path
    train: Path
    scores: ClassificationScores
    table: pd.DataFrame

    def by(self, what: str, forecaster: str = "model") -> pd.DataFrame:
        """Return the scores of the test set by class or by a column of the metadata."""
        table = self.table
        return table[(table["by"] == what) & (table["part"] == "test") & (table["forecaster"] == forecaster)]

    def examples(self, shown: str) -> pd.DataFrame:
        """Return the examples to show as errors, likely wrong labels or cells."""
        rows = read_table(self.evaluate / examples.FILE)
        return rows[rows["shown"] == shown]


def read_evaluation(folders: dict[str, Path]) -> Evaluation:
    """Read the scores of a run, given the folders of its artifacts."""
    evaluate = folders["evaluate"]
    table = read_table(evaluate / "scores.parquet")
    return Evaluation(evaluate, folders["train"], ClassificationScores.read(evaluate), table)


def headline_picture(folders: dict[str, Path]) -> bytes:
    """Return the confusion of the classes as a PNG, from the folder of `evaluate` alone."""
    evaluated = ClassificationScores.read(folders["evaluate"])
    return as_png(confusion_figure(evaluated.confusion, evaluated.classes))


def evaluation_sections(evaluation: Evaluation) -> Iterator[Section]:
    """Yield the sections of all classifiers: scores, confusion, calibration, examples, slices and training."""
    yield scores_section(evaluation)
    yield confusion_section(evaluation)
    yield from threshold_sections(evaluation)
    yield calibration_section(evaluation)
    yield from set_sections(evaluation)
    yield from error_sections(evaluation)
    yield from wrong_label_sections(evaluation)
    yield from slice_sections(evaluation)
    yield from training_sections(evaluation.train)


def scores_section(evaluation: Evaluation) -> Section:
    """Return the scores of model and baselines, part by part."""
    scored, threshold = evaluation.scores, evaluation.scores.decision.threshold
    if threshold is None:
        remark = training_gap(evaluation.train, scored)
    else:
        remark = f"{scored.classes[1]!r} is predicted if its probability is above {format_number(threshold, 3)}."
    means = "Precision, recall and F1 are means over the classes."
    return scores.scores_section(scored, METRICS, means, remark)


def training_gap(train: Path, scores: Scores) -> str:
    """Return a sentence on the accuracy in training, compared with the other parts."""
    epochs = read_table(train / "epochs.parquet")
    if "accuracy" not in epochs:
        return ""
    kept = epochs[epochs["epoch"] == read_document(train / "training.json")["best_epoch"]].iloc[0]
    learned = kept["accuracy"]
    gaps = [
        f"{100 * (learned - (values['accuracy'] or 0.0)):+.1f} points compared with the {PART_NAMES[part]} set"
        for part, values in scores.model.items()
    ]
    return (
        f"Accuracy on the training set, measured during training, was {score('accuracy', learned)} in the epoch that "
        f"was kept: {' and '.join(gaps)}."
    )


def confusion_section(evaluation: Evaluation) -> Section:
    """Return the confusion matrix, with precision and recall of each class."""
    confusion, names = evaluation.scores.confusion, evaluation.scores.classes
    cells = cell_tables(evaluation)
    picture = as_svg(confusion_figure(confusion, names, cells), "Number of examples by true and predicted class")
    linked = " Underlined numbers lead to them." if any(f"#{anchor}" in picture for anchor in cells) else ""
    classes, limited = _worst_groups(evaluation.by("class"), "f1", "classes")
    note = (
        "The test set, coloured by the share of the true class. Precision is the share of the predictions of a class "
        f"that are right, recall the share of the class that was found.{limited}\n"
        f"Below are examples of {count_of(len(cells), 'cells')}, errors first, the largest cells first.{linked}"
    )
    rows = _rows_of_groups(classes, ["precision", "recall", "f1"])
    table = Table("", ["class", "examples", "precision", "recall", "F1"], rows)
    return Section("Confusion matrix", note, [picture], [table, *cells.values()])


def threshold_sections(evaluation: Evaluation) -> Iterator[Section]:
    """Yield ROC and precision-recall curves if there are two classes, both in the test set."""
    classes, best = evaluation.scores.classes, evaluation.scores.best_baseline
    if len(classes) != 2:
        return
    rows = read_predictions(evaluation.evaluate, "test")
    truth = (rows["label"] == classes[1]).to_numpy()
    if truth.all() or not truth.any():
        return
    curves = threshold_curves(truth.astype(np.int64), rows[f"p_{classes[1]}"].to_numpy())
    chosen = evaluation.scores.decision.threshold
    threshold = format_number(0.5 if chosen is None else chosen, 3)
    reached = {f"at {threshold}": _reached(rows, truth), best: _reached(rows, truth, best)}
    note = (
        f"The test set by the threshold above which an example counts as {classes[1]}. The area under the ROC curve is "
        f"{format_number(evaluation.scores.model['test']['roc_auc'] or 0)}, the average precision "
        f"{format_number(curves.average_precision)}. The dots show the model at the threshold {threshold}, and "
        f"the baseline {best}."
    )
    picture = as_svg(threshold_figure(curves, reached), "ROC curve, and precision by recall")
    yield Section("ROC and precision-recall", note, [picture])


def _reached(rows: pd.DataFrame, second: npt.NDArray[np.bool_], baseline: str | None = None) -> Reached:
    """Return what the decision of the model or a baseline reaches; `second` says which rows are of the second class."""
    missed = misclassified(rows, baseline) > 0
    taken = second != missed  # put into the second class
    precision = second[taken].mean() if taken.any() else None
    return (taken & missed).sum() / (~second).sum(), (taken & second).sum() / second.sum(), precision


def calibration_section(evaluation: Evaluation) -> Section:
    """Return accuracy against confidence."""
    bins = pd.DataFrame(evaluation.scores.calibration)
    confidence, right = (np.average(bins[name], weights=bins["examples"]) for name in ("confidence", "accuracy"))
    note = (
        f"On the test set the most probable class is right in {right:.1%} of the examples, and its mean confidence is "
        f"{confidence:.1%}. The mean gap between the two over the bins is "
        f"{evaluation.scores.model['test']['ece']:.1%} (ECE)."
    )
    figure = calibration_figure(evaluation.scores.calibration)
    return Section("Calibration", note, [as_svg(figure, "Accuracy by confidence, and a histogram of confidence")])


def set_sections(evaluation: Evaluation) -> Iterator[Section]:
    """Yield coverage and size of the prediction sets, if there are any."""
    decision, test = evaluation.scores.decision, evaluation.scores.model["test"]
    if decision.set_limits is None:
        return
    classes, limited = _worst_groups(evaluation.by("class"), "coverage", "classes")
    note = (
        "A conformal prediction set has the predicted class, and each class whose probability reaches the limit of "
        f"this class. Sets should contain the true class of at least {decision.coverage:.0%} of the examples of each "
        f"class. On the test set, they contain that of {test['coverage']:.1%}, and have {test['set_size']:.2f} classes "
        f"on average.{limited}"
    )
    rows = _rows_of_groups(classes, ["coverage", "set_size"])
    yield Section("Prediction sets", note, tables=[Table("", ["class", "examples", "coverage", "mean size"], rows)])


def slice_sections(evaluation: Evaluation) -> Iterator[Section]:
    """Yield the scores by columns of metadata."""
    best, shown = evaluation.scores.best_baseline, evaluation.scores.shown
    metric = evaluation.scores.headline.secondary_metric or evaluation.scores.metric  # how often the model is right
    headings = ["", "examples", *(METRICS[key] for key in shown), f"{METRICS[metric]} of {best}"]
    tables = []
    for column in evaluation.table["by"].unique():
        if column not in ("all", "class"):
            groups, limited = _worst_groups(evaluation.by(column), metric, "groups")
            baseline = evaluation.by(column, best).set_index("group")[metric].loc[groups["group"]]
            others = score_column(metric, baseline.tolist())
            rows = [[*row, other] for row, other in zip(_rows_of_groups(groups, shown), others, strict=True)]
            tables.append(Table(column + limited, headings, rows))
    if tables:
        yield Section("Slices", "The test set by the metadata of its examples.", tables=tables)


def _worst_groups(rows: pd.DataFrame, metric: str, what: str) -> tuple[pd.DataFrame, str]:
    """Return the rows of the lowest score if there are too many for a table, and a sentence that says so."""
    if len(rows) <= _MAX_ROWS:
        return rows, ""
    limited = f" Of {len(rows)} {what} the {_MAX_ROWS} with the lowest {METRICS[metric]}; all are in scores.parquet."
    return rows.nsmallest(_MAX_ROWS, metric), limited


def _rows_of_groups(rows: pd.DataFrame, metrics: Sequence[str]) -> list[list[str]]:
    """Return the cells of each group: its name, number of examples and scores."""
    counts = [f"{count:,}" for count in rows["examples"]]
    columns = [score_column(key, [None if pd.isna(value) else value for value in rows[key]]) for key in metrics]
    return [list(row) for row in zip(rows["group"], counts, *columns, strict=True)]


def error_sections(evaluation: Evaluation) -> Iterator[Section]:
    """Yield the most confident errors."""
    rows = evaluation.examples(examples.ERRORS)
    if len(rows):
        note = "Misclassified examples of the test set with the highest predicted probability." + note_on_maps(rows)
        table = table_of_examples("", rows, ["label", "predicted", "probability"])
        yield Section("Most confident errors", note, tables=[table])


def wrong_label_sections(evaluation: Evaluation) -> Iterator[Section]:
    """Yield the examples whose label is most likely wrong."""
    rows = evaluation.examples(examples.WRONG_LABELS)
    if rows.empty:
        return
    file = evaluation.evaluate / examples.WRONG_LABELS_FILE
    note = (
        "Examples that the model was not trained on, where it is confident that another class is right (confident "
        "learning, Northcutt et al. 2021). It can be wrong: check each label before you change it. "
        f"All {len(pd.read_csv(file, usecols=['part'])):,} are in "
        f"{Path(*file.parts[-4:]).as_posix()} in the store." + note_on_maps(rows)  # STAGE/KEY[:2]/KEY/FILE
    )
    rows = rows.rename(columns={"predicted": "likely"}).assign(part=rows["part"].map(PART_NAMES))
    table = table_of_examples("", rows, ["label", "likely", "probability", "part"])
    yield Section("Likely wrong labels", note, tables=[table])


def cell_tables(evaluation: Evaluation) -> dict[str, Table]:
    """Return examples of the largest cells of the confusion matrix, collapsed, by the anchor of the cell."""
    classes = evaluation.scores.classes
    tables = {}
    for (label, predicted), rows in evaluation.examples(examples.CELLS).groupby(["label", "predicted"], sort=False):
        row, column = classes.index(str(label)), classes.index(str(predicted))
        count = f"{evaluation.scores.confusion[row][column]:,}"
        if label == predicted:
            title = f"{predicted}: {count} right, the least confident first"
        else:
            title = f"{label} taken for {predicted}: {count}"
        anchor = cell_anchor(row, column)
        tables[anchor] = table_of_examples(title, rows, ["probability"], folded=True, anchor=anchor)
    return tables


def cell_anchor(true: int, predicted: int) -> str:
    """Return the name of a cell in the address of its page, given the positions of the classes."""
    return f"true-{true}-predicted-{predicted}"


def counts_table(data: LabelledDataset) -> Table:
    """Return the number of examples of each class in each part."""
    counts = pd.crosstab(data.index["label"], data.index["part"]).reindex(
        index=range(len(data.classes)), columns=list(PARTS), fill_value=0
    )
    rows = [[data.classes[label], *(f"{count:,}" for count in row)] for label, row in enumerate(counts.to_numpy())]
    total = ["all", *(f"{count:,}" for count in counts.sum())]
    return Table("Examples by class and part", ["class", *(PART_NAMES[part] for part in PARTS)], [*rows, total])


def duplicates_note(summary: dict[str, Any]) -> str:
    """Return sentences on copies, from the summary of preprocess."""
    note = ""
    for overlap in summary["repeated"]:
        part, other = PART_NAMES[overlap["part"]], PART_NAMES[overlap["also_in"]]
        id_, same = overlap["pairs"][0]
        note += (
            f" {overlap['count']:,} of the {part} set are also in the {other} set, such as {id_} ({same} there), so "
            "its score is too optimistic."
        )
    copies = summary["copies"]
    if copies["count"]:
        named = ", ".join(f"{id_} ({first})" for id_, first in copies["pairs"])
        note += f" Copies kept in one set with their originals: {copies['count']:,}, such as {named}."
    if disputed := summary.get("disputed"):
        named = "; ".join(", ".join(map(str, ids)) for ids in disputed["ids"])
        note += (
            f" Copies with different labels, of which at least one is wrong: {disputed['count']:,}, such as {named}."
        )
    return note


def confusion_figure(
    confusion: Sequence[Sequence[int]], classes: Sequence[str], linked: Container[str] = ()
) -> "Figure":
    """Draw a confusion matrix: counts, and shares of the true class as colour; cells link to the anchors `linked`."""
    from matplotlib.colors import LinearSegmentedColormap

    # 1. Draw the shares, from the background of the page to the colour of the model.
    counts, names = np.array(confusion), [shorten(name, 24) for name in classes]
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    figure, (axes,) = canvas(min(9.0, 1.6 + 0.42 * len(names)))
    colours = LinearSegmentedColormap.from_list("share", [f"{MODEL}00", MODEL])
    axes.imshow(shares, cmap=colours, vmin=0, vmax=1, interpolation="none")
    axes.set_anchor("W")
    axes.grid(visible=False)
    axes.set(xlabel="predicted", ylabel="true")

    # 2. Write names and counts, unless there are too many.
    if len(names) <= _MAX_CLASSES_NAMED:
        axes.set_xticks(range(len(names)), names, rotation=45, ha="right", rotation_mode="anchor", parse_math=False)
        axes.set_yticks(range(len(names)), names, parse_math=False)
    if len(names) <= _MAX_CLASSES_COUNTED:
        for row, column in zip(*np.nonzero(counts), strict=True):
            colour = "white" if shares[row, column] > 0.75 else text_color(axes)
            anchor, count = cell_anchor(int(row), int(column)), f"{counts[row, column]:,}"
            words = axes.text(column, row, count, ha="center", va="center", fontsize=8, color=colour)
            words.set_url(f"#{anchor}" if anchor in linked else None)
    return figure


def threshold_figure(curves: ThresholdCurves, reached: Mapping[str, Reached]) -> "Figure":
    """Draw the ROC curve and the precision-recall curve of the second class.

    `reached` has the decisions of the model and of a baseline, by their names.
    """
    figure, (roc, precision) = canvas(3.4, columns=2)
    roc.plot([0, 1], [0, 1], color=TRUTH, linewidth=0.9, linestyle="--", label="guessing")
    roc.plot(curves.false_positives, curves.recall, color=MODEL, label="model")
    steps = np.append(curves.precision[:1], curves.precision)  # whose area is the average precision
    precision.plot(curves.recall, steps, color=MODEL, label="model", drawstyle="steps-pre")
    for color, (name, (false_positives, recall, share)) in zip((MODEL, BASELINE), reached.items(), strict=True):
        roc.plot(false_positives, recall, "o", color=color, label=name)
        if share is not None:
            precision.plot(recall, share, "o", color=color, label=name)
    roc.set(xlabel="false-positive rate", ylabel="recall (true-positive rate)")
    precision.set(xlabel="recall", ylabel="precision")
    for axes in (roc, precision):
        axes.set(xlim=(-0.01, 1.01), ylim=(-0.01, 1.02))
        legend(axes)
    return figure


def calibration_figure(bins: Sequence[dict[str, float]]) -> "Figure":
    """Draw accuracy against confidence, and the histogram of confidence."""
    figure, (accuracy, histogram) = canvas(3.2, columns=2, widths=(3, 2))
    table = pd.DataFrame(bins)
    accuracy.plot([0, 1], [0, 1], color=TRUTH, linewidth=0.9, linestyle="--", label="calibrated")
    accuracy.plot(table["confidence"], table["accuracy"], "o-", color=MODEL, markersize=4, label="model")
    accuracy.set(xlabel="confidence", ylabel="accuracy")
    legend(accuracy, loc="upper left")
    histogram.bar(table["low"], table["examples"], width=1 / BINS, align="edge", color=MODEL, alpha=0.7)
    histogram.set(xlabel="confidence", ylabel="examples")
    for axes in (accuracy, histogram):
        axes.set_xlim(0, 1)
    return figure
