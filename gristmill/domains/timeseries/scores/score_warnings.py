"""Warnings about scores of forecasts: coverage far from its level, a constant test set, and perfect scores."""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from gristmill.domains.common.score_warnings import coverage_warning
from gristmill.domains.timeseries.data.dataset import Prepared
from gristmill.domains.timeseries.scores.score_table import NAIVE
from gristmill.errors import count_of
from gristmill.scores import MODEL, ByPart
from gristmill.settings.number_text import format_number

_NEARLY_CONSTANT = 0.1  # maximum naive error on the test set, as a share of that on the training set
_MIN_SKILL = 0.97  # of a model that may see the target in a covariate: its errors are 3% of the naive ones
_MIN_BASELINE_RATIO = 10  # of the best baseline's error to the model's; a smooth series is easy for both
_MIN_RISE_RATIO = 2  # of the importance of the covariate to that of the target's own past
_MAX_WINDOWS = 10_000  # training windows to compare with


def score_warnings(data: Prepared, scored: Mapping[str, ByPart], level: float) -> Iterator[str]:
    """Yield sentences on why the scores of the test set may mislead; intervals should have the coverage `level`."""
    starts = data.origins("test")
    windows = count_of(len(starts), "test windows")

    # Count the windows that do not overlap in time, as many as possible, because one event affects all series.
    begins, firsts = np.unique(data.times[starts].to_numpy(), return_index=True)
    ends = data.times[starts[firsts] + data.layout.horizon - 1].to_numpy()
    independent, last = 0, None
    for begin, end in zip(begins, ends, strict=True):
        if last is None or begin > last:
            independent, last = independent + 1, end
    if (coverage := scored[MODEL]["test"].get("coverage")) is not None:
        covered = f"{level:.0%} prediction intervals cover {coverage:.1%} of the values in {windows}"
        if independent < len(starts):
            covered += f" ({independent:,} do not overlap)" if independent > 1 else " (all overlap)"
        low, high = "the intervals are too narrow", "the intervals are too wide"
        if warning := coverage_warning(covered, coverage, level, independent, low, high):
            yield warning

    # Compare the errors of the last value as the forecast, on the test set and in windows spread over the training set.
    test_error, training_error = scored[NAIVE]["test"]["mae"], 0.0
    trained = data.origins("train")
    trained = trained[:: max(1, len(trained) // _MAX_WINDOWS)]
    if len(trained):
        values = data.values[trained - 1, np.newaxis, : len(data.layout.targets)]
        training_error = float(np.abs(data.targets(trained).astype(np.float64) - values).mean())
    if test_error is not None and test_error < _NEARLY_CONSTANT * training_error:
        nearly = "nearly " if test_error else ""
        yield (
            f"the test set is {nearly}constant: the mean error of the naive forecast is {format_number(test_error, 3)} "
            f"in {windows} and {format_number(training_error, 3)} on the training set. Skill and other percentages are "
            "not meaningful; compare absolute errors, or use a longer test set"
        )


def leak_warnings(data: Prepared, scored: Mapping[str, ByPart], importance: Mapping[str, Any]) -> Iterator[str]:
    """Yield a question if forecasts are nearly perfect by a covariate, which may contain the target.

    `scored` has the model and its baselines, and `importance` is that of the model's features.
    """
    skill = scored[MODEL]["test"].get("skill")
    if skill is None or skill < _MIN_SKILL:
        return
    errors = {name: by_part["test"]["mae"] for name, by_part in scored.items()}
    model = errors.pop(MODEL) or 0.0
    rises = {feature["feature"]: feature["rise"] for feature in importance["features"]}  # the largest first
    first, past = next(iter(rises)), max(rises[f"history of {name}"] for name in data.layout.targets)
    # `weekend` is a feature of the calendar; the other ones do not have the name of a column.
    is_covariate = first in {*data.layout.inputs, *data.layout.known} - {"weekend"}
    baseline = min(error for error in errors.values() if error is not None)
    if is_covariate and rises[first] >= _MIN_RISE_RATIO * past and baseline >= _MIN_BASELINE_RATIO * model:
        yield (
            f"an MAE of {1 - skill:.2%} of the naive error on the test set is suspiciously low: check that column "
            f"{first!r}, on which the model relies most, is known when you forecast; if not, remove it from [ingest]"
        )
