"""Select: choose the best forecaster, or a weighted average of several, by held-out forecasts."""

from collections.abc import Mapping
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from gristmill.domains.common.candidates import CandidateArtifacts, succeeded
from gristmill.domains.common.ensemble_weights import Loss, weighted_average
from gristmill.domains.common.selection import Call, choose
from gristmill.domains.timeseries.data import dataset
from gristmill.domains.timeseries.data.dataset import Prepared
from gristmill.domains.timeseries.fits.ensemble import average, held_out_forecast
from gristmill.domains.timeseries.forecasts import VALIDATION, Array, Forecasts, by_network, write_forecast
from gristmill.domains.timeseries.scores.backtest_scores import pooled, read_blocks
from gristmill.domains.timeseries.scores.score_table import is_sparse, past_errors
from gristmill.errors import RequestError
from gristmill.scores import MODEL
from gristmill.settings.selection import Select
from gristmill.training import saved_network
from gristmill.training.history import TrainingHistory
from gristmill.training.train_steps import write_trained

# Few models beat the average of these on the series of forecasting competitions; trees learn from several series.
_TRUSTED = ("ets", "theta", "tsb")  # tsb is tried only if many values are 0
_TRUSTED_ON_SEVERAL = (*_TRUSTED, "boosted_trees")

Items = list[tuple[Prepared, str, Forecasts]]  # series, part, its windows and truth


def select(
    *, select: Select, preprocess: Path, candidates: Mapping[str, CandidateArtifacts], out: Path
) -> dict[str, int]:
    """Choose weights of candidates on the blocks of the backtest, or on the validation set if there is none.

    The loss is the absolute error, or the squared error of series with many zeros, scaled by each series' naive error
    in the past, at each time or, if they are split per series, of each series. Writes the network of the average
    with the files of train, `selection.json`, `leaderboard.parquet` and, with a validation set, `validation.parquet`.

    Raises:
        RequestError: there is neither a backtest nor a validation set.
        WorkError: no candidate is left.
    """
    # 1. Read the held-out forecasts of the candidates, each by the network of the first seed.
    data, usable = dataset.read(preprocess), succeeded(candidates)
    starts = data.origins("validation")
    blocks = {
        name: [block for block in read_blocks(data, candidate.backtest) if block.seed == 0]
        for name, candidate in usable.items()
    }
    if any(blocks.values()):
        on, items = "backtest", [(block.data, "test", block.forecasts) for block in next(iter(blocks.values()))]
        forecasts = {name: pooled(of_candidate).by_name[MODEL] for name, of_candidate in blocks.items()}
    elif len(starts) or not usable:
        on, items = "validation", [(data, "validation", Forecasts(starts, data.targets(starts).astype(np.float64)))]
        forecasts = {name: held_out_forecast(candidate.train, data) for name, candidate in usable.items()}
    else:
        raise RequestError(
            'model.kind = "auto" chooses on a backtest or a validation set. Set backtest.windows or '
            "preprocess.validation."
        )

    # 2. Choose the weights.
    squared = is_sparse(data)
    selection = choose(
        candidates,
        forecasts,
        scaled_loss(items, squared),
        select,
        metric="squared scaled error" if squared else "scaled error",
        on=on,
        block=1 if _by_series(items) else data.layout.horizon,
        independent=sum(independent_forecasts(block, forecasts) for block, _, forecasts in items),
        trusted=_TRUSTED_ON_SEVERAL if len(data.ids) > 1 else _TRUSTED,
        predict_one=lambda name: _forecast_one(candidates[name].train, data),
        remedy="preprocess.validation or backtest.windows",
    )

    # 3. Write the network of the average, and its held-out forecasts.
    members = [(saved_network.read(candidates[name].train), weight) for name, weight in selection.weights.items()]
    counts = write_trained(average(members, data.layout), TrainingHistory(), out, quantiles=None)
    if len(starts):
        honest = {name: held_out_forecast(candidates[name].train, data) for name in selection.weights}
        write_forecast(weighted_average(honest, selection.weights), out / VALIDATION)
    selection.write(candidates, out)
    return counts | {"candidates": len(candidates), "members": len(members)}


def independent_forecasts(data: Prepared, forecasts: Forecasts) -> int:
    """Return the largest number of forecasts of one series that share no observation.

    Series are not counted, because the same events affect many of them. On one block of each of the M1, M3 and
    tourism competitions, weights chosen on hundreds of series were worse on the next block than equal weights of
    exponential smoothing, the theta method and boosted trees, by 3 % (training sets only).
    """
    _, firsts, windows = np.unique(data.series_of(forecasts.starts), return_index=True, return_counts=True)
    lasts = firsts + windows - 1
    spans = forecasts.starts[lasts] - forecasts.starts[firsts]
    return int(np.minimum(windows, spans // data.layout.horizon + 1).max(initial=0))


def scaled_loss(items: Items, squared: bool = False) -> Loss:
    """Return the loss of forecasts, (windows, horizon, targets): the mean scaled error at each time, in order.

    The error and its scale, the mean seasonal naive error, are both absolute or both squared.

    If series are split per series, or all windows begin at one time, the mean is per series. A series that is constant
    before the part has no scale and does not count. If no series has a scale, all count in their own units.
    """
    truth = np.concatenate([forecasts.truth for *_, forecasts in items])
    scale = np.concatenate([past_errors(*item)[int(squared)] for item in items])
    if not (scale > 0).any():
        scale = np.ones_like(scale)
    units = np.where(scale > 0, scale, np.inf)
    counted = (scale > 0).mean(axis=(1, 2))  # share of a window's values that have a scale

    # Group the windows by series, or by time; times of different blocks are different groups.
    if _by_series(items):
        group = np.concatenate([data.series_of(forecasts.starts) for data, _, forecasts in items])
    else:
        times = [pd.DataFrame({"time": data.times[forecasts.starts]}) for data, _, forecasts in items]
        both = pd.concat(times, keys=range(len(items)), names=["item"])
        group = np.asarray(both.groupby(["item", "time"]).ngroup(), np.int64)
    windows = np.bincount(group, counted > 0)

    def loss(forecast: Array) -> npt.NDArray[np.float64]:
        scaled = np.abs(forecast - truth) / units
        errors = (np.square(scaled) if squared else scaled).mean(axis=(1, 2)) / np.maximum(counted, 1e-9)
        return np.asarray(np.bincount(group, errors)[windows > 0] / windows[windows > 0])

    return loss


def _by_series(items: Items) -> bool:
    """Return whether losses are averaged per series: if these are split per series or all forecast at one time."""
    (data, _, forecasts), *others = items
    at_one_time = not others and len(data.times[forecasts.starts].unique()) == 1
    return len(data.ids) > 1 and (data.layout.split == "per_series" or at_one_time)


def _forecast_one(folder: Path, data: Prepared) -> Call:
    """Return a call that makes one forecast with a candidate's network."""
    network = saved_network.read(folder)
    seen = data.seen_by(network)
    return partial(by_network, network, seen, seen.origins("train")[-1:])
