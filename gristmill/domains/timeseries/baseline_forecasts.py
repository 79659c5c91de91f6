"""Forecasts of a part's windows by baselines, each fitted on everything before the part."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from gristmill.domains.common.candidates import CandidateArtifacts
from gristmill.domains.timeseries.dataset import Prepared
from gristmill.domains.timeseries.forecasts import Array, by_network
from gristmill.errors import Unsuitable


def baseline_forecasts(data: Prepared, part: str, baselines: Sequence[Any]) -> dict[str, Array]:
    """Return the forecasts of baselines by name, (windows, horizon, targets); those that do not suit are left out."""
    starts, before = data.origins(part), data.known_before(part)
    made: dict[str, Array] = {}
    for name, baseline in named(baselines):
        try:
            network = baseline.fit(before)
        except Unsuitable:
            continue
        made[name] = by_network(network, data.seen_by(network), starts, eager=True)
    return made


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
