"""Scores of forecasts and baselines: overall, by step of the horizon, by series and by channel."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from gristmill.domains.timeseries import metrics
from gristmill.domains.timeseries.dataset import Prepared, range_sums
from gristmill.domains.timeseries.forecasts import Array, Forecasts

NAIVE = "naive"


@dataclass(frozen=True)
class Loss:
    """Losses of single values; the score of a group is their mean."""

    values: Array  # (windows, horizon, targets)
    counted: npt.NDArray[np.bool_] | np.bool_ = np.True_  # which values count: all, or some of them
    root: bool = False  # whether the score is the root of the mean


@dataclass(frozen=True)
class Grouping:
    """Groups of values that are scored on their own."""

    by: str
    names: Sequence[str]  # (groups,)
    windows: npt.NDArray[np.int64]  # (groups,), number of windows with values in the group
    sums: Callable[[npt.NDArray[Any]], npt.NDArray[Any]]  # from (windows, horizon, targets) to (groups,)

    def score(self, loss: Loss) -> Array:
        """Return the score of each group, (groups,); NaN where no value counts."""
        counted = np.broadcast_to(loss.counted, loss.values.shape)
        counts, totals = self.sums(counted), self.sums(np.where(counted, loss.values, 0.0))
        means = np.divide(totals, counts, out=np.full(len(self.names), np.nan), where=counts > 0)
        return np.asarray(np.sqrt(means) if loss.root else means)

    def scores(self, losses: Mapping[str, Loss]) -> dict[str, Array]:
        """Return the scores of each group by metric."""
        return {metric: self.score(loss) for metric, loss in losses.items()}


def score_table(data: Prepared, part: str, forecasts: Forecasts, season: int | None) -> pd.DataFrame:
    """Return one row for each group and forecaster: `part`, `by`, `group`, `forecaster`, `examples`, then the metrics.

    `by` is `all`, or `step`, `series` or `channel` if there are several. Examples are windows. MASE and RMSSE are
    scaled by each series' own past before the part. Coverage and width are those of the outermost quantiles. A metric
    that cannot be computed is NaN.
    """
    units = past_errors(data, part, forecasts, season)
    naive = Loss(metrics.absolute_error(forecasts.truth, forecasts.by_name[NAIVE]))
    size = Loss(np.abs(forecasts.truth))
    references = [(each, each.score(naive), each.score(size)) for each in groupings(data, forecasts)]
    scored: list[list[dict[str, Array]]] = [[] for _ in references]  # of each grouping and forecaster
    for name, made in forecasts.by_name.items():
        of_points = losses(forecasts.truth, made, *units)
        quantiles = forecasts.quantiles_of(name)
        of_quantiles = {} if quantiles is None else quantile_losses(forecasts.truth, quantiles, forecasts.levels)
        for (grouping, reference, sizes), collected in zip(references, scored, strict=True):
            scores = grouping.scores(of_points)
            scores["skill"] = metrics.skill(scores["mae"], reference)
            scores |= grouping.scores(of_quantiles)
            if of_quantiles:
                scores["wql"] = metrics.wql(scores["pinball"], sizes)
            collected.append(scores)
    tables = [
        _table(part, grouping, list(forecasts.by_name), found)
        for (grouping, *_), found in zip(references, scored, strict=True)
    ]
    return pd.concat(tables, ignore_index=True)


def _table(part: str, grouping: Grouping, forecasters: list[str], scored: list[dict[str, Array]]) -> pd.DataFrame:
    """Return one row for each group and forecaster; a score that a forecaster does not have is NaN."""
    groups, count = len(grouping.names), len(forecasters)
    missing = np.full(groups, np.nan)
    names = dict.fromkeys(metric for scores in scored for metric in scores)
    labels = {
        "part": part,
        "by": grouping.by,
        "group": pd.Index(grouping.names).repeat(count),
        "forecaster": pd.Index(forecasters)[np.tile(np.arange(count), groups)],
        "examples": np.repeat(grouping.windows, count),
    }
    columns = {name: np.stack([scores.get(name, missing) for scores in scored], axis=1).ravel() for name in names}
    return pd.DataFrame(labels | columns)


def groupings(data: Prepared, forecasts: Forecasts) -> Iterator[Grouping]:
    """Yield the groupings of values to score."""
    windows, horizon, targets = forecasts.truth.shape
    yield Grouping("all", [""], np.array([windows]), lambda values: values.sum(keepdims=True).ravel())
    if horizon > 1:
        steps = [str(step + 1) for step in range(horizon)]
        yield Grouping("step", steps, np.full(horizon, windows), lambda values: values.sum(axis=(0, 2)))
    if targets > 1:
        names = data.layout.targets
        yield Grouping("channel", names, np.full(targets, windows), lambda values: values.sum(axis=(0, 1)))
    present, owner, counts = np.unique(data.series_of(forecasts.starts), return_inverse=True, return_counts=True)
    if len(present) > 1:
        ids = [data.ids[series] for series in present]
        yield Grouping("series", ids, counts, lambda values: np.bincount(owner, values.sum(axis=(1, 2))))


def losses(truth: Array, forecast: Array, step: Array, squared: Array) -> dict[str, Loss]:
    """Return the losses of point forecasts by metric; the naive errors `step` scale MASE, and `squared` RMSSE."""
    absolute, square = metrics.absolute_error(truth, forecast), metrics.squared_error(truth, forecast)
    return {
        "mae": Loss(absolute),
        "rmse": Loss(square, root=True),
        "mse": Loss(square),
        "mape": Loss(metrics.percentage_error(truth, forecast), truth != 0),
        "smape": Loss(metrics.symmetric_error(truth, forecast)),
        "mase": Loss(_in_units(absolute, step), step > 0),
        "rmsse": Loss(_in_units(square, np.square(squared)), squared > 0, root=True),
    }


def _in_units(values: Array, units: Array) -> Array:
    return np.divide(values, units, out=np.zeros_like(values), where=units > 0)


def quantile_losses(truth: Array, quantiles: Array, levels: Sequence[float]) -> dict[str, Loss]:
    """Return the losses of quantiles, (windows, horizon, targets, levels), by metric; of an interval the outermost."""
    low, high = quantiles[..., 0], quantiles[..., -1]
    return {
        "pinball": Loss(metrics.mean_pinball_loss(truth, quantiles, levels)),
        "coverage": Loss(metrics.covered(truth, low, high)),
        "width": Loss(high - low),
    }


def past_errors(
    data: Prepared, part: str, forecasts: Forecasts, season: int | None
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Return the mean absolute and the root mean squared seasonal naive error before the part, for each value.

    Both have the shape (windows, horizon, targets). For a series shorter than its season they are one-step naive
    errors, and 0 if the series is constant before the part.
    """
    firsts, ends = data.bounds[:, 0], data.part(part)[:, 0]
    lengths = ends - firsts
    lags = np.where(lengths > (season or 1), season or 1, 1)
    values = data.values[:, : forecasts.truth.shape[-1]].astype(np.float64)
    absolute, squared = np.zeros((2, len(lags), values.shape[1]))
    for lag in np.unique(lags[lengths > 1]):
        chosen = (lags == lag) & (lengths > 1)
        errors = np.zeros_like(values)
        errors[lag:] = values[lag:] - values[:-lag]
        ranges, counts = np.column_stack([firsts + lag, ends])[chosen], (lengths - lag)[chosen, np.newaxis]
        absolute[chosen] = range_sums(np.abs(errors), ranges) / counts
        squared[chosen] = np.sqrt(range_sums(np.square(errors), ranges) / counts)
    owner, shape = data.series_of(forecasts.starts), forecasts.truth.shape
    return np.broadcast_to(absolute[owner, np.newaxis], shape), np.broadcast_to(squared[owner, np.newaxis], shape)
