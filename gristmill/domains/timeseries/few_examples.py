"""Cut prepared series to a few training windows, for the overfit check of `gristmill check`."""

import numpy as np
from keras import ops

from gristmill.domains.common.few_examples import OVERFIT_EXAMPLES, Folders, affinely_independent_rows
from gristmill.domains.common.sampling import evenly_spaced
from gristmill.domains.timeseries.data import dataset
from gristmill.domains.timeseries.fits.normalisation import normalised, scaled
from gristmill.domains.timeseries.models import Shape


def take_few_examples(folders: Folders, out: Folders, limit: int | None = None) -> None:
    """Write training windows, evenly spaced, each as a series of its own.

    If `limit` is None, there are as many windows as a network without a hidden layer can fit exactly.
    """
    # Choose the windows.
    data = dataset.read(folders["preprocess"])
    layout, history, horizon = data.layout, data.layout.history, data.layout.horizon
    starts = data.complete_origins("train")
    starts = starts[evenly_spaced(len(starts), limit or OVERFIT_EXAMPLES)]
    if limit is None:
        window = normalised(ops.convert_to_tensor(scaled(data.histories(starts), layout)), layout)
        starts = starts[affinely_independent_rows(np.asarray(Shape.of(layout).lags(window)))]

    # Lay them out one after the other, all of them training set.
    rows = (starts[:, np.newaxis] + np.arange(-history, horizon)).ravel()
    begins = np.arange(len(starts)) * (history + horizon)
    ends = begins + history + horizon
    parts = dataset.parts_between(begins + history, ends, ends, ends)
    windows = data.at(rows, [str(start) for start in starts], np.column_stack([begins, ends]), parts)
    dataset.write(windows, out["preprocess"])
