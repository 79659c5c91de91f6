"""The picture of a report on a network that writes: how hard it finds the text, from its beginning to its end."""

from typing import TYPE_CHECKING

import pandas as pd

from gristmill.reports.pictures import BASELINE, MODEL, canvas, legend

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_POINTS = 200  # that are drawn at most


def bits_figure(bits: pd.DataFrame, best: str) -> "Figure":
    """Draw the bits a token takes along a part, by the model and by its best baseline.

    Args:
        bits: one row for each so many tokens of the part: `position` and a column for each model.
        best: the baseline that is drawn.
    """
    together = -(-len(bits) // _POINTS)
    shown = bits[["position", "model", best]].groupby(bits.index // together).mean()
    figure, (axes,) = canvas(2.6)
    axes.plot(shown["position"], shown[best], color=BASELINE, label=best)
    axes.plot(shown["position"], shown["model"], color=MODEL, label="model")
    axes.set_xlabel("tokens of the test part before")
    axes.set_ylabel("bits a token")
    legend(axes, loc="lower left", bbox_to_anchor=(0, 1.0))
    return figure
