"""A training in a report: its curves, its learning rate, and the layers of the network."""

from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from gristmill.reports.pictures import ACCENT, BASELINE, MODEL, TRUTH, as_svg, canvas, legend, log_scale, whole_numbers
from gristmill.reports.sections import Section, Table
from gristmill.settings.number_text import format_number
from gristmill.util.table_io import read_document, read_table

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

LEARNING_ALT = "Loss of the training and the validation set by epoch, with the epoch whose weights were kept"
_RATE_ALT = "Loss by learning rate"
_INDENT = "\u00a0\u00a0\u00a0"  # no-break spaces, which a web page does not collapse


def training_sections(train: Path) -> Iterator[Section]:
    """Yield the curves of a training and of its learning rate; nothing without epochs."""
    training, epochs = read_document(train / "training.json"), read_table(train / "epochs.parquet")
    if not len(epochs):
        return
    pictures = [as_svg(learning_figure(epochs, training["best_epoch"]), LEARNING_ALT)]
    if (path := train / "learning_rates.parquet").exists():
        trials = read_table(path)
        figure = rate_figure(trials["rate"], trials["loss"], trials["smoothed"], training["learning_rate"])
        pictures.append(as_svg(figure, _RATE_ALT))
    elif epochs["rate"].is_monotonic_increasing and epochs["rate"].nunique() > 1:  # schedule "sweep"
        pictures.append(as_svg(rate_figure(epochs["rate"], epochs["loss"]), _RATE_ALT))
    yield Section("Training", training_note(training), pictures=pictures)


def network_section(evaluated: Path) -> Section:
    """Return the layers of the network."""
    layers = read_table(evaluated / "layers.parquet")
    outer = layers[layers["depth"] == 0]
    parameters, trained = outer["parameters"].sum(), outer["trainable"].sum()
    note = f"{parameters:,} parameters, {trained:,} of them trained. Output shapes are those of one example."
    rows = [
        [_INDENT * depth + name, kind, output, *(f"{count:,}" if count else "" for count in counts)]
        for depth, name, kind, output, *counts in layers.itertuples(index=False)
    ]
    return Section("Network", note, tables=[Table("", ["layer", "type", "output", "parameters", "trained"], rows)])


def training_note(training: dict[str, Any]) -> str:
    """Return a sentence on the epochs and the weights that were kept."""
    ended = "stopped early" if training["stopped_early"] else "ran all its epochs"
    return (
        f"Training {ended}: {training['epochs']} epochs from a learning rate of "
        f"{format_number(training['learning_rate'], 3)}, the weights of epoch {training['best_epoch']} were kept."
    )


def learning_figure(epochs: pd.DataFrame, best: int) -> "Figure":
    """Plot loss, and accuracy if there is one, of training and validation by epoch."""
    figure, metrics = _epochs_canvas([epochs])
    for name, axes in metrics.items():
        axes.plot(epochs["epoch"], epochs[name], color=MODEL, label="training")
        if f"val_{name}" in epochs:
            axes.plot(epochs["epoch"], epochs[f"val_{name}"], color=BASELINE, label="validation")
        axes.axvline(best, color=ACCENT, linewidth=0.8, linestyle="--", label="kept")
        legend(axes)
    return figure


def overlaid_figure(curves: Mapping[str, pd.DataFrame]) -> "Figure":
    """Plot the learning curves of two runs over each other, by name; those of training are dashed."""
    figure, metrics = _epochs_canvas(curves.values())
    for name, axes in metrics.items():
        for (run, epochs), colour in zip(curves.items(), (BASELINE, MODEL), strict=True):
            for curve, label, line in ((name, "training", "--"), (f"val_{name}", "validation", "-")):
                if curve in epochs:
                    axes.plot(epochs["epoch"], epochs[curve], line, color=colour, label=f"{run}, {label}")
        legend(axes)
    return figure


def _epochs_canvas(curves: Collection[pd.DataFrame]) -> "tuple[Figure, dict[str, Axes]]":
    """Return a figure with axes for the loss, and for the accuracy if there is one, by epoch."""
    metrics = [name for name in ("loss", "accuracy") if any(name in epochs for epochs in curves)]
    figure, columns = canvas(2.6, columns=len(metrics))
    for name, axes in zip(metrics, columns, strict=True):
        axes.set_xlabel("epoch")
        axes.set_ylabel(name)
        whole_numbers(axes)
    log_scale(columns[0])
    return figure, dict(zip(metrics, columns, strict=True))


def rate_figure(rates: Any, losses: Any, smoothed: Any = None, taken: float | None = None) -> "Figure":
    """Plot the loss by learning rate: of a range test with the rate taken, or of the epochs of a sweep."""
    figure, (axes,) = canvas(2.6)
    axes.plot(rates, losses, color=TRUTH, linewidth=0.8, alpha=0.7, label="loss")
    if smoothed is not None:
        axes.plot(rates, smoothed, color=MODEL, label="smoothed")
        axes.set_ylim(0.8 * min(smoothed), 1.1 * np.max(smoothed[: max(2, len(smoothed) // 2)]))
    if taken is not None:
        axes.axvline(taken, color=ACCENT, linewidth=0.8, linestyle="--", label=f"taken: {format_number(taken, 2)}")
    axes.set_xscale("log")
    axes.set_xlabel("learning rate")
    axes.set_ylabel("loss")
    legend(axes, loc="upper left")
    return figure
