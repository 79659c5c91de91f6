"""Forecasts of a part's windows by baselines, each fitted on everything before the part."""

from collections.abc import Iterable, Sequence
from typing import Any

import keras

from gristmill.domains.common.candidates import fit_baselines
from gristmill.domains.timeseries.dataset import Prepared
from gristmill.domains.timeseries.forecasts import Array, by_network


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
