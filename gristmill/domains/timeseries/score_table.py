"""Scores of forecasts and baselines: overall, by step of the horizon, by series and by channel."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from gristmill.domains.timeseries import metrics
from gristmill.domains.timeseries.dataset import Prepared
from gristmill.domains.timeseries.forecasts import Array, Forecasts
from gristmill.runs.scores import MODEL

NAIVE = "naive"


def score_table(data: Prepared, part: str, forecasts: Forecasts, season: int | None, level: float) -> pd.DataFrame:
    """Return one row for each forecaster and group: `part`, `by`, `group`, `forecaster`, `examples`, then the metrics.

    `by` is `all`, or `step`, `series` or `channel` if there are several. Examples are windows. MASE and RMSSE are
    scaled by each series' own past before the part. Pinball loss, coverage and width are those of the model's interval.
    """
    units = past_errors(data, part, forecasts, season)
    naive = np.abs(forecasts.truth - forecasts.by_name[NAIVE])
    rows = []
    for by, group, chosen in groups(data, forecasts):
        reference, windows = float(naive[chosen].mean()), len(naive[chosen])
        for name, made in forecasts.by_name.items():
            measured = measure(forecasts.truth[chosen], made[chosen], *(unit[chosen] for unit in units))
            measured["skill"] = metrics.skill(measured["mae"] or 0.0, reference)
            if name == MODEL and forecasts.low is not None and forecasts.high is not None:
                measured |= measure_interval(
                    forecasts.truth[chosen], forecasts.low[chosen], forecasts.high[chosen], level
                )
            labels = {"part": part, "by": by, "group": group, "forecaster": name, "examples": windows}
            rows.append(labels | measured)
    return pd.DataFrame(rows)


def groups(data: Prepared, forecasts: Forecasts) -> Iterator[tuple[str, str, Any]]:
    """Yield (by, group, index into (windows, horizon, targets)) for each group to score."""
    yield "all", "", np.s_[:]
    _, horizon, targets = forecasts.truth.shape
    if horizon > 1:
        yield from (("step", str(step + 1), np.s_[:, step : step + 1]) for step in range(horizon))
    if targets > 1:
        yield from (("channel", name, np.s_[:, :, at : at + 1]) for at, name in enumerate(data.layout.targets))
    if len(by_series := list(data.by_series(forecasts.starts))) > 1:
        yield from (("series", data.ids[series], positions) for series, positions in by_series)


def measure(truth: Array, forecast: Array, step: Array, squared: Array) -> dict[str, float | None]:
    """Return the metrics of point forecasts, scaled by the naive errors `step` (MASE) and `squared` (RMSSE)."""
    return {
        "mae": metrics.mae(truth, forecast),
        "rmse": metrics.rmse(truth, forecast),
        "mse": metrics.mse(truth, forecast),
        "mape": metrics.mape(truth, forecast),
        "smape": metrics.smape(truth, forecast),
        "mase": _in_units(metrics.mae, truth, forecast, step),
        "rmsse": _in_units(metrics.rmse, truth, forecast, squared),
    }


def _in_units(error: Callable[[Array, Array], float], truth: Array, forecast: Array, unit: Array) -> float | None:
    """Return the error over values with a unit, in these units; None if there is none."""
    counted = unit > 0
    return error(truth[counted] / unit[counted], forecast[counted] / unit[counted]) if counted.any() else None


def measure_interval(truth: Array, low: Array, high: Array, level: float) -> dict[str, float | None]:
    """Return pinball loss (mean of both bounds), coverage and mean width of intervals."""
    tail = (1 - level) / 2
    return {
        "pinball": (metrics.pinball(truth, low, tail) + metrics.pinball(truth, high, 1 - tail)) / 2,
        "coverage": metrics.coverage(truth, low, high),
        "width": metrics.width(low, high),
    }


def past_errors(
    data: Prepared, part: str, forecasts: Forecasts, season: int | None
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Return the mean absolute and the root mean squared seasonal naive error before the part, for each value.

    Both have the shape (windows, horizon, targets). For a series shorter than its season they are one-step naive
    errors, and 0 if the series is constant before the part.
    """
    absolute, squared = np.zeros_like(forecasts.truth), np.zeros_like(forecasts.truth)
    targets = forecasts.truth.shape[-1]
    for series, positions in data.by_series(forecasts.starts):
        first, begin = data.bounds[series, 0], data.part(part)[series, 0]
        past = data.values[first:begin, :targets].astype(np.float64)
        if len(past) < 2:
            continue
        lag = season if season and season < len(past) else 1
        errors = past[lag:] - past[:-lag]
        absolute[positions] = np.abs(errors).mean(axis=0)
        squared[positions] = np.sqrt(np.square(errors).mean(axis=0))
    return absolute, squared
