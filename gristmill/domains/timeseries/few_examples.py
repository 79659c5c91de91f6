"""Prepared series, cut to some windows to train on and none to judge on: what `gristmill check` trains on."""

from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from keras import ops

from gristmill.domains.common.few_examples import OVERFIT_EXAMPLES, Folders, affinely_independent_rows, evenly_spaced
from gristmill.domains.timeseries import dataset
from gristmill.domains.timeseries.dataset import Prepared
from gristmill.domains.timeseries.feed import scaled
from gristmill.domains.timeseries.model_shape import Shape
from gristmill.domains.timeseries.normalisation import normalised
from gristmill.domains.timeseries.windows import Origins


def cut(folders: Folders, out: Folders, most: int | None = None) -> None:
    """Write windows from all over the training parts, each as a series of its own.

    Args:
        folders: of what train reads.
        out: empty folders of the same names.
        most: windows; if None, no more than a network can learn by heart whatever its size: those that a plane meets.
    """
    data = dataset.read(folders["preprocess"])
    starts = data.origins("train")
    starts = starts[evenly_spaced(len(starts), most or OVERFIT_EXAMPLES)]
    if most is None:
        starts = starts[affinely_independent_rows(_lags(data, starts))]
    dataset.write(_alone(data, starts), out["preprocess"])


def _lags(data: Prepared, starts: Origins) -> npt.NDArray[Any]:
    """Return what a model that knows no sequence sees of windows: (windows, features)."""
    layout = data.layout
    window = normalised(ops.convert_to_tensor(scaled(data.histories(starts), layout)), layout)
    outputs = layout.horizon * len(layout.targets)
    return np.asarray(Shape(layout.history, layout.horizon, layout.channels, len(layout.known), outputs).lags(window))


def _alone(data: Prepared, starts: Origins) -> Prepared:
    """Return series of one window each, to train on, by their origins."""
    layout = data.layout
    rows = (starts[:, np.newaxis] + np.arange(-layout.history, layout.horizon)).ravel()
    ends = (np.arange(len(starts)) + 1) * (layout.history + layout.horizon)
    begins = ends - layout.history - layout.horizon
    edges = np.column_stack([begins + layout.history, ends, ends, ends])  # of the parts; nothing is judged on
    return replace(
        data,
        ids=[str(start) for start in starts],
        times=pd.Index(data.times[rows]),
        values=data.values[rows],
        filled=data.filled[rows],
        bounds=np.column_stack([begins, ends]),
        parts=np.stack([edges[:, :-1], edges[:, 1:]], axis=-1),
    )
