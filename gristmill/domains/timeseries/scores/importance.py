"""Permutation importance of channels and known features."""

import math
import re
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
import numpy.typing as npt

from gristmill.domains.common.permutation_importance import MAX_EXAMPLES, Orders, importance
from gristmill.domains.common.sampling import sample_positions
from gristmill.domains.timeseries.data.dataset import Layout, Prepared
from gristmill.domains.timeseries.forecasts import Forecasts, levels_of
from gristmill.domains.timeseries.scores.score_table import ROOT_METRICS, losses, past_errors
from gristmill.training.saved_network import predict_in_batches


def importance_of_channels(
    data: Prepared, network: keras.Model, metric: str, levels: Sequence[float] | None, part: str = "validation"
) -> dict[str, Any] | None:
    """Return the permutation importance of features (`features_of`); None for a single feature or without an error.

    A feature is shuffled as a whole among the windows of a part, on which the network was not fitted: each window gets
    the values of another window for all steps.
    """
    features = features_of(data.layout)
    if len(features) < 2:
        return None
    # Read a sample of the windows, and the units of their errors.
    starts = data.origins(part)
    starts = starts[sample_positions(len(starts), MAX_EXAMPLES)]
    windows, truth = data.histories(starts), data.targets(starts).astype(np.float64)
    units = past_errors(data, part, Forecasts(starts, truth))
    block = -(-data.layout.horizon // data.layout.stride)  # windows that overlap

    # Measure the loss of each window when a feature is shuffled.
    def losses_of(feature: str, orders: Orders) -> npt.NDArray[np.float64]:
        columns, of_orders = features[feature], []
        for order in orders:
            shuffled = windows.copy()
            shuffled[:, :, columns] = windows[:, :, columns][order]
            predicted = predict_in_batches(network, shuffled).astype(np.float64)
            loss = losses(truth, levels_of(predicted, levels)[0], *units)[metric]
            counted = np.broadcast_to(loss.counted, truth.shape)
            of_windows = np.where(counted, loss.values, 0.0).sum(axis=(1, 2))
            of_orders.append(of_windows * len(starts) / (counted.sum() or np.nan))  # the mean is that of counted values
        return np.stack(of_orders)

    ranking = importance(features, losses_of, len(starts), block, metric in ROOT_METRICS)
    if math.isnan(ranking["error"]):  # a scaled metric of series that are constant before the part
        return None
    return {"part": part, "metric": metric, "of": "windows"} | ranking


def features_of(layout: Layout) -> dict[str, list[int]]:
    """Return the columns of each feature: history of a target, input, known column, calendar part, or all harmonics."""
    features: dict[str, list[int]] = {}
    # `preprocess.py` names calendar parts and harmonics
    known = [re.sub(r"^(hour|weekday|month) \d+$", r"\1", name) for name in layout.known]
    known = ["harmonics" if re.fullmatch(r".+ (sin|cos) \d+", name) else name for name in known]
    for column, name in enumerate([*(f"history of {name}" for name in layout.targets), *layout.inputs, *known]):
        features.setdefault(name, []).append(column)
    return features
