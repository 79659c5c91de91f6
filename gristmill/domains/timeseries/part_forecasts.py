"""Forecasts of a part by the model, all candidates and all baselines, made a block of series at a time.

So memory does not grow with the number of series times that of forecasters. Each baseline is fitted on everything
before the part.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np

from gristmill.domains.common.candidates import CandidateArtifacts, fit_baselines, read_selection
from gristmill.domains.common.ensemble_weights import weighted_average
from gristmill.domains.timeseries.data.dataset import Prepared
from gristmill.domains.timeseries.data.windows import Origins
from gristmill.domains.timeseries.fits.ensemble import held_out_forecast
from gristmill.domains.timeseries.forecasts import (
    VALIDATION,
    Array,
    Forecasts,
    Output,
    blocks_of_series,
    by_network,
    split_quantiles,
)
from gristmill.scores import MODEL
from gristmill.training import saved_network
from gristmill.util.table_io import read_document

Forecaster = Callable[[slice], Output]  # from windows of the part to their forecasts
_WINDOWS_TIMED = 1024


@dataclass(frozen=True)
class PartForecasts:
    """Windows of a part, and all forecasters."""

    data: Prepared
    starts: Origins
    model: Forecaster
    others: Mapping[str, Forecaster]  # candidates and baselines
    weights: Mapping[str, float]  # of the members of the model among the others; empty if it is not an average
    levels: Sequence[float] | None  # of the quantiles that the model has learned

    def forecasts(self, at: slice = slice(None)) -> Forecasts:
        """Return the forecasts of some windows, or of all.

        The network of an average makes those of the first block, which export compares with its own. In other blocks
        they are the average of the forecasts of the members, so that these are not made twice.
        """
        others = {name: forecast(at) for name, forecast in self.others.items()}
        is_average = bool(at.start and self.weights)
        output: Output = weighted_average(others, self.weights).astype(np.float32) if is_average else self.model(at)
        forecast, quantiles = split_quantiles(output.astype(np.float64), self.levels)
        starts = self.starts[at]
        truth = self.data.targets(starts).astype(np.float64)
        return Forecasts(starts, truth, {MODEL: forecast} | others, tuple(self.levels or ()), quantiles)

    def blocks(self, whole: Forecasts | None = None) -> Iterator[Forecasts]:
        """Yield the forecasts of some whole series at a time; `whole` are those of all, if they exist already."""
        for at in blocks_of_series(self.data, self.starts):
            yield whole.windows(at) if whole else self.forecasts(at)


def forecasts_of(
    data: Prepared,
    part: str,
    network: keras.Model,
    train: Path,
    candidates: Mapping[str, CandidateArtifacts],
    baselines: Sequence[Any],
    microseconds: dict[str, float],
) -> PartForecasts:
    """Return the forecasters of a part; those of the validation set were not trained on it.

    `train` is the folder of the model, and `network` its network. The time that each candidate takes for a forecast of
    the test set is added to `microseconds`.
    """
    starts = data.origins(part)

    def by(forecaster: keras.Model, once: bool = False) -> Forecaster:
        seen = data.seen_by(forecaster)
        return lambda at: by_network(forecaster, seen, starts[at], once)

    # Candidates, as they were before they saw the part, and baselines fitted before it.
    others: dict[str, Forecaster] = {}
    for name, candidate in candidates.items():
        if part == "validation":
            others[name] = held_out_forecast(candidate.train, data).__getitem__
        else:
            fitted = saved_network.read(candidate.train)
            others[name] = by(fitted)
            timed = data.seen_by(fitted).histories(starts[:_WINDOWS_TIMED])
            microseconds[name] = saved_network.microseconds_per_row(fitted, timed)
    for name, fitted in baseline_networks(data, part, baselines, reserved_names=candidates).items():
        others[name] = by(fitted, once=True)
    # The model: a network that was fitted on the validation set too has held-out forecasts of it in a file.
    fitted_later = part == "validation" and (train / VALIDATION).exists()
    selection = read_selection(train) or {"members": []}
    return PartForecasts(
        data,
        starts,
        held_out_forecast(train, data).__getitem__ if fitted_later else by(network),
        others,
        weights={member["name"]: member["weight"] for member in selection["members"]},
        levels=None if fitted_later else read_document(train / "training.json")["quantiles"],
    )


def baseline_forecasts(
    data: Prepared, part: str, baselines: Sequence[Any], reserved_names: Iterable[str] = ()
) -> dict[str, Array]:
    """Return the forecasts of baselines by name, (windows, horizon, targets); those that do not suit are left out.

    `reserved_names` are those of other forecasters.
    """
    starts = data.origins(part)
    return {
        name: by_network(network, data.seen_by(network), starts, once=True)
        for name, network in baseline_networks(data, part, baselines, reserved_names).items()
    }


def baseline_networks(
    data: Prepared, part: str, baselines: Sequence[Any], reserved_names: Iterable[str] = ()
) -> dict[str, keras.Model]:
    """Return the networks of baselines by name; those that do not suit are left out."""
    before = data.known_before(part)
    return fit_baselines(baselines, lambda baseline: baseline.fit(before), reserved_names)
