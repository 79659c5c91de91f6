"""Scores of forecasts and baselines: overall, by step of the horizon, by series and by channel."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from gristmill.domains.timeseries.data.dataset import Prepared, inside, range_sums
from gristmill.domains.timeseries.forecasts import PREDICTIONS, Array, Forecasts, as_rows, prediction_columns
from gristmill.domains.timeseries.scores import metrics
from gristmill.util.table_io import read_table, table_writer

NAIVE = "naive"
POINT_METRICS = ("mae", "rmse", "mse", "mape", "smape", "mase", "rmsse", "skill")
QUANTILE_METRICS = ("pinball", "coverage", "width", "wql")
ROOT_METRICS = ("rmse", "rmsse")  # roots of the mean of their losses

SPARSE = 0.5  # share of zeros from which series are sparse: then 0 has the smallest absolute error
SCORES = "scores.parquet"  # of all parts, in the artifact of evaluate

Sums = npt.NDArray[np.float64]  # (2, groups): sum of the losses that count, and their number


@dataclass(frozen=True)
class Loss:
    """Losses of single values; the score of a group is their mean, or the root of it (`ROOT_METRICS`)."""

    values: Array  # (windows, horizon, targets)
    counted: npt.NDArray[np.bool_] | np.bool_ = np.True_  # which values count: all, or some of them


@dataclass(frozen=True)
class Grouping:
    """Groups of values that are scored on their own."""

    by: str
    names: Sequence[str]  # (groups,)
    windows: npt.NDArray[np.int64]  # (groups,), number of windows with values in the group
    sums: Callable[[npt.NDArray[Any]], npt.NDArray[Any]]  # from (windows, horizon, targets) to (groups,)

    def sum(self, loss: Loss) -> Sums:
        """Return the sum of a loss over each group; those over different windows can be added."""
        counted = np.broadcast_to(loss.counted, loss.values.shape)
        return np.stack([self.sums(np.where(counted, loss.values, 0.0)), self.sums(counted)])


@dataclass(frozen=True)
class GroupScores:
    """Sums of the losses of all forecasters over the same groups."""

    groups: Grouping
    sums: Mapping[str, Mapping[str, Sums]]  # by forecaster and metric

    def __add__(self, other: "GroupScores") -> "GroupScores":
        sums = {
            name: {metric: total + other.sums[name][metric] for metric, total in by_metric.items()}
            for name, by_metric in self.sums.items()
        }
        return GroupScores(replace(self.groups, windows=self.groups.windows + other.groups.windows), sums)

    def table(self, part: str) -> pd.DataFrame:
        """Return one row for each group and forecaster; a score that a forecaster does not have is NaN."""
        groups = {"part": part, "by": self.groups.by, "group": self.groups.names}
        naive, tables = mean_score("mae", self.sums[NAIVE]["mae"]), []
        for name, by_metric in self.sums.items():
            scores = {metric: mean_score(metric, sums) for metric, sums in by_metric.items()}
            scores["skill"] = metrics.skill(scores["mae"], naive)
            if "pinball" in scores:
                scores["wql"] = metrics.wql(scores["pinball"], scores["size"])
            tables.append(pd.DataFrame(groups | {"forecaster": name, "examples": self.groups.windows} | scores))
        table = pd.concat(tables).sort_index(kind="stable", ignore_index=True)  # all forecasters of a group together
        return table[columns_of(has_quantiles="wql" in table)]


class PartScores:
    """Scores of the forecasts of a part, to which a block of whole series is added at a time.

    Tables have one row for each group and forecaster: `part`, `by`, `group`, `forecaster`, `examples`, then the
    metrics. `by` is `all`, or `step`, `series` or `channel` if there are several. Examples are windows. MASE and RMSSE
    are scaled by each series' own past before the part. Coverage and width are those of the outermost quantiles. A
    metric that cannot be computed is NaN.
    """

    def __init__(self, data: Prepared, part: str) -> None:
        self._data, self._part = data, part
        self._errors = errors_of_series(data, part)
        self._whole: list[GroupScores] = []  # of groups to which every block adds

    def add(self, forecasts: Forecasts) -> pd.DataFrame | None:
        """Add the forecasts of a block; return the scores of its series, or None if there are not several."""
        # Sum the losses of each forecaster over the groups of the block.
        truth, units = forecasts.truth, _of_windows(self._errors, self._data, forecasts)
        sums_of: list[tuple[Grouping, dict[str, dict[str, Sums]]]]
        sums_of = [(grouping, {}) for grouping in groupings(self._data, forecasts)]
        for name, forecast in forecasts.by_name.items():
            by_metric = losses(truth, forecast, *units)
            if (quantiles := forecasts.quantiles_of(name)) is not None:
                by_metric |= quantile_losses(truth, quantiles, forecasts.levels)
            for grouping, sums in sums_of:
                sums[name] = {metric: grouping.sum(loss) for metric, loss in by_metric.items()}

        # Add them to those of other blocks, except those of single series, which no other block has.
        scored = [GroupScores(grouping, sums) for grouping, sums in sums_of]
        by_series = next((scores for scores in scored if scores.groups.by == "series"), None)
        whole = [scores for scores in scored if scores is not by_series]
        self._whole = [a + b for a, b in zip(self._whole, whole, strict=True)] if self._whole else whole
        return None if by_series is None else by_series.table(self._part)

    def table(self) -> pd.DataFrame:
        """Return the scores of all blocks together, and those by step and by channel."""
        return pd.concat([scores.table(self._part) for scores in self._whole], ignore_index=True)


def columns_of(has_quantiles: bool) -> list[str]:
    """Return the columns of a table of scores."""
    labels = ("part", "by", "group", "forecaster", "examples")
    return [*labels, *POINT_METRICS, *(QUANTILE_METRICS if has_quantiles else ())]


def mean_score(metric: str, sums: Sums) -> Array:
    """Return the score of each group, (groups,); NaN where no value counts."""
    totals, counts = sums
    means = np.divide(totals, counts, out=np.full(len(totals), np.nan), where=counts > 0)
    return np.asarray(np.sqrt(means) if metric in ROOT_METRICS else means)


def groupings(data: Prepared, forecasts: Forecasts) -> Iterator[Grouping]:
    """Yield the groupings of values to score; those by series if the data has several."""
    windows, horizon, targets = forecasts.truth.shape
    yield Grouping("all", [""], np.array([windows]), lambda values: values.sum(keepdims=True).ravel())
    if horizon > 1:
        steps = [str(step + 1) for step in range(horizon)]
        yield Grouping("step", steps, np.full(horizon, windows), lambda values: values.sum(axis=(0, 2)))
    if targets > 1:
        names = data.layout.targets
        yield Grouping("channel", names, np.full(targets, windows), lambda values: values.sum(axis=(0, 1)))
    present, owner, counts = np.unique(data.series_of(forecasts.starts), return_inverse=True, return_counts=True)
    if len(data.ids) > 1:
        ids = [data.ids[series] for series in present]
        yield Grouping("series", ids, counts, lambda values: np.bincount(owner, values.sum(axis=(1, 2))))


def losses(truth: Array, forecast: Array, step: Array, squared: Array) -> dict[str, Loss]:
    """Return the losses of point forecasts by metric; the naive errors `step` scale MASE, and `squared` RMSSE."""
    absolute, square = metrics.absolute_error(truth, forecast), metrics.squared_error(truth, forecast)
    return {
        "mae": Loss(absolute),
        "rmse": Loss(square),
        "mse": Loss(square),
        "mape": Loss(metrics.percentage_error(truth, forecast), truth != 0),
        "smape": Loss(metrics.symmetric_error(truth, forecast)),
        "mase": Loss(_in_units(absolute, step), step > 0),
        "rmsse": Loss(_in_units(square, np.square(squared)), squared > 0),
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
        "size": Loss(np.abs(truth)),  # which scales WQL
    }


def past_errors(data: Prepared, part: str, forecasts: Forecasts) -> tuple[Array, Array]:
    """Return the mean absolute and the root mean squared seasonal naive error before the part, for each value.

    Both have the shape (windows, horizon, targets). For a series shorter than its season they are one-step naive
    errors, and 0 if the series is constant before the part.
    """
    return _of_windows(errors_of_series(data, part), data, forecasts)


def _of_windows(errors: Array, data: Prepared, forecasts: Forecasts) -> tuple[Array, Array]:
    """Return both naive errors of the series of each value, (windows, horizon, targets)."""
    own = errors[data.series_of(forecasts.starts), :, np.newaxis]
    shape = forecasts.truth.shape
    return np.broadcast_to(own[:, 0], shape), np.broadcast_to(own[:, 1], shape)


def errors_of_series(data: Prepared, part: str) -> Array:
    """Return the naive errors before the part (`past_errors`) of each series, (series, 2, targets)."""
    return data.of_each_series(lambda block: _naive_errors(block, part))


def _naive_errors(data: Prepared, part: str) -> Array:
    firsts, ends, season = data.bounds[:, 0], data.part(part)[:, 0], data.layout.season or 1
    lengths = ends - firsts
    lags = np.where(lengths > season, season, 1)
    values = data.values[:, : len(data.layout.targets)].astype(np.float64)
    means = np.zeros((len(lags), 2, values.shape[1]))
    for lag in np.unique(lags[lengths > 1]):
        chosen = (lags == lag) & (lengths > 1)
        errors = np.zeros_like(values)
        errors[lag:] = values[lag:] - values[:-lag]
        ranges, counts = np.column_stack([firsts + lag, ends])[chosen], (lengths - lag)[chosen, np.newaxis]
        means[chosen, 0] = range_sums(np.abs(errors), ranges) / counts
        means[chosen, 1] = np.sqrt(range_sums(np.square(errors), ranges) / counts)
    return means


def write_forecasts(data: Prepared, parts: Mapping[str, Iterator[Forecasts]], out: Path) -> pd.DataFrame:
    """Write `predictions.parquet` and `scores.parquet` from blocks of whole series of each part.

    What a part does not have is NaN there. Returns the scores without those of single series.
    """
    first = {part: next(blocks) for part, blocks in parts.items()}
    columns = prediction_columns(data, first.values())
    metrics = columns_of(has_quantiles=any(own.levels for own in first.values()))
    whole = []
    with table_writer(out / PREDICTIONS) as write_rows, table_writer(out / SCORES) as write_scores:
        for part, blocks in parts.items():
            scores = PartScores(data, part)
            for block in chain([first.pop(part)], blocks):
                for some in block.blocks():
                    write_rows(as_rows(data, some, part=part).reindex(columns=columns))
                if (by_series := scores.add(block)) is not None:
                    write_scores(by_series.reindex(columns=metrics))
            whole.append(scores.table().reindex(columns=metrics))
            write_scores(whole[-1])
    return pd.concat(whole)


def read_scores(folder: Path) -> pd.DataFrame:
    """Read the scores from the folder of `evaluate`, without those of single series."""
    return read_table(folder / SCORES, by=("all", "step", "channel"))


def share_of_zeros(data: Prepared) -> float:
    """Return the share of zeros among the targets of the training set."""
    targets = len(data.layout.targets)
    is_zero = (data.values[:, :targets] == 0)[inside(len(data.values), data.part("train"))]
    return float(is_zero.mean()) if is_zero.size else 0.0


def is_sparse(data: Prepared) -> bool:
    """Return whether at least half of all values are 0, such as in the daily demand for a spare part.

    The mean absolute error is lowest for a forecast of 0. So models are compared by squared errors, whose best
    forecast is the mean (Makridakis, Spiliotis & Assimakopoulos, "M5 accuracy competition", International Journal of
    Forecasting 38(4), 2022).
    """
    return share_of_zeros(data) >= SPARSE
