"""Forecasts of a part's windows by baselines, each fitted on everything before the part."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import keras

from gristmill.domains.common.candidates import CandidateArtifacts, fit_baselines, missing_baselines
from gristmill.domains.timeseries.dataset import Prepared
from gristmill.domains.timeseries.forecasts import Array, by_network
from gristmill.domains.timeseries.longer_season import longer_season
from gristmill.domains.timeseries.models.naive import SeasonalNaive


def baselines_to_fit(
    data: Prepared, baselines: Sequence[Any], candidates: Mapping[str, CandidateArtifacts]
) -> list[Any]:
    """Return the baselines that are not among the candidates, with the naive forecast of a longer season, if any.

    Without it, a model that knows the week would be compared only with a naive forecast that repeats the day.
    """
    season = longer_season(data)
    longer = [SeasonalNaive(kind="seasonal_naive", season=season)] if season else []
    return missing_baselines([*baselines, *(one for one in longer if one not in baselines)], candidates)


def baseline_forecasts(
    data: Prepared, part: str, baselines: Sequence[Any], taken: Iterable[str] = ()
) -> dict[str, Array]:
    """Return the forecasts of baselines by name, (windows, horizon, targets); those that do not suit are left out.

    Names of other forecasters are `taken`.
    """
    starts = data.origins(part)
    return {
        name: by_network(network, data.seen_by(network), starts, once=True)
        for name, network in baseline_networks(data, part, baselines, taken).items()
    }


def baseline_networks(
    data: Prepared, part: str, baselines: Sequence[Any], taken: Iterable[str] = ()
) -> dict[str, keras.Model]:
    """Return the networks of baselines by name; those that do not suit are left out."""
    before = data.known_before(part)
    return fit_baselines(baselines, lambda baseline: baseline.fit(before), taken)
