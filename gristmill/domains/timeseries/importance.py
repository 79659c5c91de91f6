"""How much of a forecast each channel's history and each thing known ahead accounts for."""

import math
import re
from typing import Any

import keras
import numpy as np

from gristmill.domains.common.permutation_importance import Order, importance, sample_positions
from gristmill.domains.timeseries.dataset import Layout, Prepared
from gristmill.domains.timeseries.forecasts import Forecasts, levels_of
from gristmill.domains.timeseries.score_table import measure, past_errors
from gristmill.training.saved_network import predict_in_batches

_GROUPS = (  # of columns that `ahead.py` makes, by their names
    (re.compile(r".+ (sin|cos) \d+"), "harmonics"),
    (re.compile(r"(hour|weekday|month) \d+"), r"\1"),
)


def importance_of_channels(
    data: Prepared, network: keras.Model, metric: str, season: int | None, quantiles: list[float] | None
) -> dict[str, Any] | None:
    """Return the permutation importance of features (`features_of`); None where there is one alone, or no error.

    A feature is shuffled as a whole among the windows of the validation part, where there is one, else of the test
    part: each window gets another one's values of all its steps.

    Args:
        data: the prepared series.
        network: raw windows in, raw forecasts out.
        metric: by which errors are measured.
        season: observations in a season, for a metric in units of the past's errors.
        quantiles: that the network has learned, if any.
    """
    features = features_of(data.layout)
    if len(features) < 2:
        return None
    part = "validation" if len(data.origins("validation")) else "test"
    starts = data.origins(part)
    starts = starts[sample_positions(len(starts))]
    windows, truth = data.histories(starts), data.targets(starts).astype(np.float64)
    units = past_errors(data, part, Forecasts(starts, truth), season)

    def error(feature: str, order: Order) -> float:
        shuffled, columns = windows.copy(), features[feature]
        shuffled[:, :, columns] = windows[:, :, columns][order]
        made = predict_in_batches(network, shuffled).astype(np.float64)
        measured = measure(truth, levels_of(made, quantiles)[0], *units)[metric]
        return math.nan if measured is None else measured

    found = importance(features, error, len(starts))
    if math.isnan(found["error"]):  # of a part before which nothing moved, in units of the past's errors
        return None
    return {"part": part, "metric": metric, "of": "windows"} | found


def features_of(layout: Layout) -> dict[str, list[int]]:
    """Return the columns of each feature: a target's own history, an input, a known column, a calendar part, all waves.

    The columns of one calendar part stand for one feature, and so do the harmonics.
    """
    features: dict[str, list[int]] = {}
    names = [
        *(f"history of {name}" for name in layout.targets),
        *layout.inputs,
        *(_group(name) for name in layout.known),
    ]
    for column, name in enumerate(names):
        features.setdefault(name, []).append(column)
    return features


def _group(known: str) -> str:
    for pattern, group in _GROUPS:
        if found := pattern.fullmatch(known):
            return found.expand(group)
    return known
