"""Plots of a report on a classifier."""

from collections.abc import Container, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from gristmill.domains.common.classification.example_tables import cell_anchor
from gristmill.domains.common.classification.scores import BINS, ThresholdCurves
from gristmill.reports.pictures import BASELINE, MODEL, TRUTH, canvas, legend, shorten, text_color

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Reached = tuple[float, float, float | None]  # false-positive rate, recall, and precision if any example is taken

_MAX_CLASSES_COUNTED, _MAX_CLASSES_NAMED = 20, 40  # limits for counts in the cells and for names on the axes


def confusion_figure(
    confusion: Sequence[Sequence[int]], classes: Sequence[str], linked: Container[str] = ()
) -> "Figure":
    """Draw a confusion matrix: counts, and shares of the true class as colour; cells link to the anchors `linked`."""
    from matplotlib.colors import LinearSegmentedColormap

    counts, names = np.array(confusion), [shorten(name, 24) for name in classes]
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    figure, (axes,) = canvas(min(9.0, 1.6 + 0.42 * len(names)))
    colours = LinearSegmentedColormap.from_list("share", [f"{MODEL}00", MODEL])  # from the background of the page
    axes.imshow(shares, cmap=colours, vmin=0, vmax=1, interpolation="none")
    axes.set_anchor("W")
    axes.grid(visible=False)
    axes.set_xlabel("predicted")
    axes.set_ylabel("true")
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
    roc.set_xlabel("false-positive rate")
    roc.set_ylabel("recall (true-positive rate)")
    steps = np.append(curves.precision[:1], curves.precision)  # whose area is the average precision
    precision.plot(curves.recall, steps, color=MODEL, label="model", drawstyle="steps-pre")
    for color, (name, (false_positives, recall, share)) in zip((MODEL, BASELINE), reached.items(), strict=True):
        roc.plot(false_positives, recall, "o", color=color, label=name)
        if share is not None:
            precision.plot(recall, share, "o", color=color, label=name)
    precision.set_xlabel("recall")
    precision.set_ylabel("precision")
    for axes in (roc, precision):
        axes.set(xlim=(-0.01, 1.01), ylim=(-0.01, 1.02))
        legend(axes)
    return figure


def calibration_figure(bins: Sequence[dict[str, float]]) -> "Figure":
    """Draw accuracy against confidence, and the histogram of confidence."""
    figure, (accuracy, histogram) = canvas(3.2, columns=2, widths=(3, 2))
    confidence = [one["confidence"] for one in bins]
    accuracy.plot([0, 1], [0, 1], color=TRUTH, linewidth=0.9, linestyle="--", label="calibrated")
    accuracy.plot(confidence, [one["accuracy"] for one in bins], "o-", color=MODEL, markersize=4, label="model")
    accuracy.set_xlabel("confidence")
    accuracy.set_ylabel("accuracy")
    legend(accuracy, loc="upper left")
    lows = [one["low"] for one in bins]
    histogram.bar(lows, [one["examples"] for one in bins], width=1 / BINS, align="edge", color=MODEL, alpha=0.7)
    histogram.set_xlabel("confidence")
    histogram.set_ylabel("examples")
    for axes in (accuracy, histogram):
        axes.set_xlim(0, 1)
    return figure
