"""Prepared series, cut to some windows to train on and none to judge on: what `gristmill check` trains on."""

from dataclasses import replace

import numpy as np

from gristmill.checks.few import FEW, Folders
from gristmill.timeseries import prepared
from gristmill.timeseries.prepared import PARTS


def cut(folders: Folders, out: Folders, most: int | None = None) -> None:
    """Write the series with windows from all over the training part that has most, as far from each to the next.

    Args:
        folders: of what train reads.
        out: empty folders of the same names.
        most: windows; as few as a network can learn by heart if None.
    """
    data = prepared.read(folders["preprocess"])
    of_series = np.bincount(data.series_of(data.origins("train")), minlength=len(data.ids))
    chosen, train = int(of_series.argmax()), PARTS.index("train")
    parts = np.zeros_like(data.parts)
    parts[chosen, train] = data.parts[chosen, train]
    stride = data.layout.stride * -(-int(of_series[chosen]) // (most or FEW))
    prepared.write(replace(data, parts=parts, layout=replace(data.layout, stride=stride)), out["preprocess"])
