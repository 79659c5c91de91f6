"""Plot of the report on a generation pipeline: bits per token along the test set."""

from typing import TYPE_CHECKING

import pandas as pd

from gristmill.reports.pictures import BASELINE, MODEL, canvas, legend

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_MAX_POINTS = 200


def bits_figure(bits: pd.DataFrame, best: str) -> "Figure":
    """Plot the bits per token, by `position`, of the model and its best baseline."""
    rows_per_point = -(-len(bits) // _MAX_POINTS)
    means = bits[["position", "model", best]].groupby(bits.index // rows_per_point).mean()
    figure, (axes,) = canvas(2.6)
    axes.plot(means["position"], means[best], color=BASELINE, label=best)
    axes.plot(means["position"], means["model"], color=MODEL, label="model")
    axes.set_xlabel("position in the test set (tokens)")
    axes.set_ylabel("bits per token")
    legend(axes)
    return figure
