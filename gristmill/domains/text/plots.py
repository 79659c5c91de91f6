"""Plots of the report on a text classifier."""

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from gristmill.domains.common.classification.labelled import PARTS
from gristmill.domains.text.projector import visible
from gristmill.reports.pictures import ACCENT, BASELINE, MODEL, TRUTH, canvas, legend, shorten, text_color
from gristmill.reports.scores import PART_NAMES

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_BINS = 40
_COLOURS = (ACCENT, MODEL, BASELINE, TRUTH)  # of classes; all from the fourth on share the last
_PARTS = dict(zip(PARTS, (MODEL, BASELINE, ACCENT), strict=True))


def lengths_figure(index: pd.DataFrame, cut: int) -> "Figure":
    """Plot a histogram of text lengths for each part and mark where longer texts are truncated.

    The longest 1 % of the texts are in the last bin.
    """
    figure, (axes,) = canvas(2.6)
    end = max(2, int(index["tokens"].quantile(0.99, interpolation="higher")))
    edges = np.unique(np.linspace(0, end + 1, _BINS + 1).astype(int)).tolist()
    for part, colour in _PARTS.items():
        tokens = index.loc[index["part"] == part, "tokens"].clip(upper=end).to_numpy()
        if len(tokens):
            shares = np.full(len(tokens), 1 / len(tokens))
            label = PART_NAMES[part]
            axes.hist(tokens, edges, weights=shares, histtype="step", color=colour, label=label, linewidth=1.4)
    if cut <= end and cut < index["tokens"].max():
        axes.axvline(cut, color=TRUTH, linewidth=0.8, linestyle="--", label=f"truncated at {cut:,}")
    axes.set_xlabel("tokens per text")
    axes.set_ylabel("share of texts")
    legend(axes)
    return figure


def embedding_figure(positions: pd.DataFrame, classes: list[str], shares: list[float]) -> "Figure":
    """Plot the columns `token`, `x` and `y`, coloured by `class`; `shares` are the explained variance of x and y."""
    figure, (axes,) = canvas(6.5)
    for at, name in enumerate(classes):
        own = positions[positions["class"] == name]
        colour = _COLOURS[min(at, len(_COLOURS) - 1)]
        if len(own):
            axes.plot(own["x"], own["y"], "o", color=colour, markersize=3, label=shorten(name, 24))
    for token, x, y in positions[["token", "x", "y"]].itertuples(index=False):
        words = shorten(visible(token), 20)
        axes.annotate(
            words, (x, y), (2, 2), textcoords="offset points", fontsize=7, color=text_color(axes), parse_math=False
        )
    axes.set_xlabel(f"first component, {shares[0]:.0%} of the variance")
    axes.set_ylabel(f"second component, {shares[1]:.0%}")
    if len(classes) <= len(_COLOURS):
        legend(axes)
    return figure
