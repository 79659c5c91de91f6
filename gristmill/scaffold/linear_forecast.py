"""Test whether additional columns lower the error of a linear forecast.

A linear forecast from the last values is fitted with and without the columns, and compared on four blocks of time, each
of which follows the rows that it is fitted on. So a column that only seems to help, as most do in a short series with
a trend, is not proposed.
"""

import itertools
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

Values = npt.NDArray[np.float64]
Features = list[Values]  # for each step of a forecast, (windows, features)

_BLOCKS = 4  # blocks to compare errors on, in the second half of the time
_MIN_BETTER = 3  # blocks in which a column must lower the error
_MIN_WINDOWS = 60
_MAX_WINDOWS = 10_000  # evenly spaced ones; more would not change the result
_ROWS_PER_LAG = 10
_PENALTY = 1.0  # penalty on the squared weights of standardised features


class LinearForecast:
    """Linear forecasts of the first and the last step of a horizon, for the windows of one or several series."""

    def __init__(self, table: pd.DataFrame, target: str, history: int, horizon: int) -> None:
        """Take the windows of a table of ingest, without its test set."""
        self._table = table
        self._steps = sorted({1, horizon})
        self._lags = max(1, min(history, len(table) // _ROWS_PER_LAG))
        values, series = self._standardised(target), table["unique_id"].to_numpy()
        at = np.arange(self._lags - 1, max(self._lags - 1, len(table) - horizon))
        at = at[series[at - self._lags + 1] == series[at + horizon]]
        times = np.unique(table["ds"].to_numpy(), return_inverse=True)[1]
        at = at[:: -(-len(at) // _MAX_WINDOWS) or 1]
        self._at = at[np.argsort(times[at], kind="stable")]
        self._times, last = times[self._at], values[self._at]
        past = np.column_stack([last, *(values[self._at - lag] - last for lag in range(1, self._lags))])
        self._given = [past for _ in self._steps]
        self._truth = [values[self._at + step] - last for step in self._steps]
        self._error: Values | None = None  # error of the current features in each block

    @property
    def is_usable(self) -> bool:
        """Return whether there are enough windows to compare errors."""
        return len(self._at) >= _MIN_WINDOWS

    def past(self, name: str) -> Features:
        """Return features from the last values of a column."""
        values = self._standardised(name)
        last = values[self._at]
        features = np.column_stack([last, *(last - values[self._at - lag] for lag in range(1, min(3, self._lags)))])
        return [features for _ in self._steps]

    def ahead(self, columns: Values) -> Features:
        """Return columns that are known ahead, (rows, columns), at the times to forecast."""
        return [columns[self._at + step] for step in self._steps]

    def gain(self, more: Features) -> float:
        """Return the share by which additional features lower the error; 0 unless they lower it in most blocks."""
        if not self.is_usable:
            return 0.0
        before, after = self._errors([]), self._errors(more)
        return float(1 - (after / before).mean()) if (after < before).sum() >= _MIN_BETTER else 0.0

    def keep(self, more: Features) -> None:
        """Add features to the forecast; later gains are relative to it."""
        self._given = [np.column_stack(pair) for pair in zip(self._given, more, strict=True)]
        self._error = None

    def _errors(self, more: Features) -> Values:
        """Return the sum of the errors of all steps in each block."""
        if not more and self._error is not None:
            return self._error
        edges = self._times[(np.linspace(0.5, 1, _BLOCKS + 1) * (len(self._times) - 1)).astype(int)]
        errors = np.full(_BLOCKS, 1e-12)
        for at, (step, truth) in enumerate(zip(self._steps, self._truth, strict=True)):
            features = np.column_stack([self._given[at], more[at]]) if more else self._given[at]
            for block, (begin, end) in enumerate(itertools.pairwise(edges)):
                fitted, scored = self._times + step <= begin, (self._times > begin) & (self._times <= end)
                if fitted.any() and scored.any():
                    forecast = _ridge(features[fitted], truth[fitted], features[scored])
                    errors[block] += np.abs(forecast - truth[scored]).mean()
        if not more:
            self._error = errors
        return errors

    def _standardised(self, name: str) -> Values:
        """Return a column with mean 0 and deviation 1 in each series."""
        by_series: Any = self._table[name].groupby(self._table["unique_id"], sort=False)
        deviation = by_series.transform("std", ddof=0).replace(0, 1)
        return np.asarray((self._table[name] - by_series.transform("mean")) / deviation, np.float64)


def _ridge(features: Values, truth: Values, asked: Values) -> Values:
    """Return the predictions of a ridge regression."""
    mean, deviation, centre = features.mean(axis=0), features.std(axis=0), truth.mean()
    deviation[deviation < 1e-9] = np.inf
    scaled = (features - mean) / deviation
    gram = scaled.T @ scaled + _PENALTY * np.eye(scaled.shape[1])
    weights = np.linalg.solve(gram, scaled.T @ (truth - centre))
    return np.asarray((asked - mean) / deviation @ weights + centre)
