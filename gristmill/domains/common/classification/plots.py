"""The pictures of a report on a classifier."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from gristmill.domains.common.classification.scores import BINS
from gristmill.reports.pictures import MODEL, TRUTH, canvas, ink, legend

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_COUNTED, _NAMED = 20, 40  # classes up to which a confusion matrix has counts in its cells, and names at its edges


def confusion_figure(confusion: Sequence[Sequence[int]], classes: Sequence[str]) -> "Figure":
    """Draw what each class was taken for: counts, and shares of the true class as colour."""
    from matplotlib.colors import LinearSegmentedColormap

    counts, names = np.array(confusion), [shorten(name, 24) for name in classes]
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    figure, (axes,) = canvas(min(9.0, 1.6 + 0.42 * len(names)))
    colours = LinearSegmentedColormap.from_list("share", [f"{MODEL}00", MODEL])  # from what the page has
    axes.imshow(shares, cmap=colours, vmin=0, vmax=1, interpolation="none")
    axes.set_anchor("W")
    axes.grid(visible=False)
    axes.set_xlabel("predicted")
    axes.set_ylabel("true")
    if len(names) <= _NAMED:
        axes.set_xticks(range(len(names)), names, rotation=45, ha="right", rotation_mode="anchor", parse_math=False)
        axes.set_yticks(range(len(names)), names, parse_math=False)
    if len(names) <= _COUNTED:
        for row, column in zip(*np.nonzero(counts), strict=True):
            colour = "white" if shares[row, column] > 0.75 else ink(axes)
            axes.text(column, row, f"{counts[row, column]:,}", ha="center", va="center", fontsize=8, color=colour)
    return figure


def calibration_figure(bins: Sequence[dict[str, float]]) -> "Figure":
    """Draw accuracy against confidence, and how many examples have which confidence."""
    figure, (right, often) = canvas(3.2, columns=2, widths=(3, 2))
    confidence = [one["confidence"] for one in bins]
    right.plot([0, 1], [0, 1], color=TRUTH, linewidth=0.9, linestyle="--", label="calibrated")
    right.plot(confidence, [one["accuracy"] for one in bins], "o-", color=MODEL, markersize=4, label="model")
    right.set_xlabel("confidence")
    right.set_ylabel("accuracy")
    legend(right, loc="upper left")
    lows = [one["low"] for one in bins]
    often.bar(lows, [one["examples"] for one in bins], width=1 / BINS, align="edge", color=MODEL, alpha=0.7)
    often.set_xlabel("confidence")
    often.set_ylabel("examples")
    for axes in (right, often):
        axes.set_xlim(0, 1)
    return figure


def shorten(text: str, length: int) -> str:
    """Return a text that is no longer than this, cut in its middle."""
    half = (length - 1) // 2
    return text if len(text) <= length else f"{text[:half]}…{text[-half:]}"
