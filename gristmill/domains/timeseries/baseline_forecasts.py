"""Forecasts of a part's windows by baselines, each fitted on everything before the part."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any

import keras

from gristmill.domains.common.candidates import CandidateArtifacts
from gristmill.domains.timeseries.dataset import Prepared
from gristmill.domains.timeseries.forecasts import Array, by_network
from gristmill.errors import Unsuitable


def baseline_forecasts(data: Prepared, part: str, baselines: Sequence[Any]) -> dict[str, Array]:
    """Return the forecasts of baselines by name, (windows, horizon, targets); those that do not suit are left out."""
    starts = data.origins(part)
    return {
        name: by_network(network, data.seen_by(network), starts, once=True)
        for name, network in baseline_networks(data, part, baselines).items()
    }


def baseline_networks(data: Prepared, part: str, baselines: Sequence[Any]) -> dict[str, keras.Model]:
    """Return the networks of baselines by name; those that do not suit are left out."""
    before = data.known_before(part)
    fitted: dict[str, keras.Model] = {}
    for name, baseline in named(baselines):
        with suppress(Unsuitable):
            fitted[name] = baseline.fit(before)
    return fitted


def missing_baselines(baselines: Sequence[Any], candidates: Mapping[str, CandidateArtifacts]) -> list[Any]:
    """Return the baselines that are not among the candidates."""
    tried = [one.document["settings"]["model"] for one in candidates.values()]
    return [baseline for baseline in baselines if baseline.model_dump(mode="json") not in tried]


def named(baselines: Sequence[Any]) -> Iterator[tuple[str, Any]]:
    """Yield each baseline with its name: its kind, with a number for the second of a kind."""
    seen: Counter[str] = Counter()
    for baseline in baselines:
        seen[baseline.kind] += 1
        yield baseline.kind if seen[baseline.kind] == 1 else f"{baseline.kind}-{seen[baseline.kind]}", baseline
